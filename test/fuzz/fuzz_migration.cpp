#include <cstddef>
#include <cstdint>

#include "test/fuzz/fuzz_migration_entry.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  pm::test::plan_any({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
