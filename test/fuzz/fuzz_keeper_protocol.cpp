#include "test/fuzz/fuzz_keeper_entry.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  pm::keeper::decode_anything(std::as_bytes(std::span{bytes, size}));
  return 0;
}
