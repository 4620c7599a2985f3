#include <cstddef>
#include <cstdint>

#include "test/fuzz/fuzz_config_entry.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  pm::read_any_config({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
