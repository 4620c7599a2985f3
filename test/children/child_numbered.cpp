// child_numbered ID CODE STOP PAUSE: writes lines "ID NUMBER CHECK" without a
// gap, two kilobytes and then a pause of PAUSE milliseconds, until the file
// STOP is there. Then it writes "ID end COUNT" and exits with CODE. CHECK is
// FNV-1a of "ID NUMBER" in hex.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <unistd.h>

namespace {

uint32_t fnv1a(const std::string& text) {
  uint32_t result = 2166136261u;
  for (unsigned char c : text)
    result = (result ^ c) * 16777619u;
  return result;
}

void write_all(const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    auto n = ::write(1, text.data() + at, text.size() - at);
    if (n <= 0)
      std::exit(99);
    at += static_cast<size_t>(n);
  }
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 5)
    return 98;
  std::string id = argv[1];
  long count = 0;
  while (::access(argv[3], F_OK) != 0) {
    std::string block;
    while (block.size() < 2048) {
      auto line = id + " " + std::to_string(count++);
      char check[16];
      std::snprintf(check, sizeof(check), " %08x\n", fnv1a(line));
      block += line + check;
    }
    write_all(block);
    ::usleep(static_cast<useconds_t>(std::atoi(argv[4])) * 1000);
  }
  write_all(id + " end " + std::to_string(count) + "\n");
  return std::atoi(argv[2]);
}
