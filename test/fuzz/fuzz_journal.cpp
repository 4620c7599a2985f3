#include "test/fuzz/fuzz_journal_entry.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  pm::test::recover_journal({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
