// child_lines N [BYTES]: writes N lines "NUMBER CRC TEXT", each of BYTES bytes
// (64) with its newline. CRC is the CRC-32 (IEEE, reflected) of TEXT in hex.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

uint32_t crc32(const std::string& text) {
  uint32_t crc = ~0u;
  for (unsigned char c : text) {
    crc ^= c;
    for (int i = 0; i < 8; ++i)
      crc = (crc >> 1) ^ (0xedb88320u & -(crc & 1));
  }
  return ~crc;
}

} // namespace

int main(int argc, char** argv) {
  auto count = argc > 1 ? std::atol(argv[1]) : 10;
  auto bytes = argc > 2 ? std::atol(argv[2]) : 64;
  uint32_t seed = 1;
  for (long i = 0; i < count; ++i) {
    auto number = std::to_string(i);
    auto overhead = static_cast<long>(number.size()) + 11;
    std::string text;
    while (static_cast<long>(text.size()) < bytes - overhead) {
      seed = seed * 1664525u + 1013904223u;
      text += static_cast<char>('a' + (seed >> 24) % 26);
    }
    std::printf("%s %08x %s\n", number.c_str(), crc32(text), text.c_str());
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}
