#include <pm/ids.hpp>

#include <charconv>
#include <csignal>
#include <cstring>

#include <fnmatch.h>
#include <sys/random.h>

namespace pm {

namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

void fill_random(void* to, size_t size) {
  auto* out = static_cast<uint8_t*>(to);
  while (size > 0) {
    auto n = ::getrandom(out, size, 0);
    if (n < 0)
      continue; // EINTR; getrandom has no other failure for small sizes
    out += n;
    size -= static_cast<size_t>(n);
  }
}

std::string random_hex(size_t digits) {
  std::array<uint8_t, 16> bytes{};
  fill_random(bytes.data(), (digits + 1) / 2);
  std::string text;
  for (size_t i = 0; i < digits; ++i) {
    auto byte = bytes[i / 2];
    text += hex_digits[i % 2 == 0 ? byte >> 4 : byte & 15];
  }
  return text;
}

constexpr bool is_dash_place(size_t byte) {
  return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

int hex_value(char c) {
  auto i =
    hex_digits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
  return i == std::string_view::npos ? -1 : static_cast<int>(i);
}

struct signal_row {
  std::string_view name;
  int number;
};

constexpr signal_row signal_rows[] = {
  {"HUP", SIGHUP},       {"INT", SIGINT},       {"QUIT", SIGQUIT},
  {"ILL", SIGILL},       {"TRAP", SIGTRAP},     {"ABRT", SIGABRT},
  {"BUS", SIGBUS},       {"FPE", SIGFPE},       {"KILL", SIGKILL},
  {"USR1", SIGUSR1},     {"SEGV", SIGSEGV},     {"USR2", SIGUSR2},
  {"PIPE", SIGPIPE},     {"ALRM", SIGALRM},     {"TERM", SIGTERM},
  {"STKFLT", SIGSTKFLT}, {"CHLD", SIGCHLD},     {"CONT", SIGCONT},
  {"STOP", SIGSTOP},     {"TSTP", SIGTSTP},     {"TTIN", SIGTTIN},
  {"TTOU", SIGTTOU},     {"URG", SIGURG},       {"XCPU", SIGXCPU},
  {"XFSZ", SIGXFSZ},     {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF},
  {"WINCH", SIGWINCH},   {"IO", SIGIO},         {"PWR", SIGPWR},
  {"SYS", SIGSYS},
};

constexpr int signal_number_max = 64;

} // namespace

run_id run_id::make(timestamp now) {
  std::array<uint8_t, 16> b{};
  fill_random(b.data() + 6, 10);
  auto ms = static_cast<uint64_t>(now.time_since_epoch().count());
  for (int i = 5; i >= 0; --i, ms >>= 8)
    b[static_cast<size_t>(i)] = static_cast<uint8_t>(ms);
  b[6] = static_cast<uint8_t>((b[6] & 0x0f) | 0x70);
  b[8] = static_cast<uint8_t>((b[8] & 0x3f) | 0x80);
  return run_id{b};
}

expected<run_id> run_id::parse(std::string_view text) {
  if (text.empty())
    return run_id{};
  std::array<uint8_t, 16> b{};
  size_t at = 0;
  auto bad = [&] {
    return fail(ec::invalid_argument, "'{}' is not a run id (UUID)", text);
  };
  if (text.size() != 36)
    return bad();
  for (size_t i = 0; i < b.size(); ++i) {
    if (is_dash_place(i) && text[at++] != '-')
      return bad();
    auto high = hex_value(text[at++]);
    auto low = hex_value(text[at++]);
    if (high < 0 || low < 0)
      return bad();
    b[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return run_id{b};
}

std::string run_id::str() const {
  if (!*this)
    return {};
  std::string text;
  text.reserve(36);
  for (size_t i = 0; i < bytes_.size(); ++i) {
    if (is_dash_place(i))
      text += '-';
    text += hex_digits[bytes_[i] >> 4];
    text += hex_digits[bytes_[i] & 15];
  }
  return text;
}

size_t run_id_hash::operator()(const run_id& x) const noexcept {
  // The last eight bytes are random.
  size_t result = 0;
  std::memcpy(&result, x.bytes().data() + 8, sizeof result);
  return result;
}

expected<void> check_handle_id(std::string_view id) {
  auto alnum = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9');
  };
  bool good = !id.empty() && id.size() <= 128 && alnum(id[0]);
  for (auto c : id)
    good = good && (alnum(c) || c == '.' || c == '_' || c == '-');
  if (!good)
    return fail(ec::invalid_argument,
                "'{}' is not a handle id: it starts with a letter or digit "
                "and has at most 128 of A-Z a-z 0-9 . _ -",
                id.substr(0, 160));
  return {};
}

std::string make_handle_id() {
  return "run-" + random_hex(12);
}

std::string make_correlation_id() {
  return random_hex(16);
}

bool matches_glob(std::string_view pattern, std::string_view name) {
  return ::fnmatch(std::string{pattern}.c_str(), std::string{name}.c_str(), 0)
         == 0;
}

expected<int> parse_signal(std::string_view text) {
  auto name = text;
  if (name.starts_with("SIG"))
    name.remove_prefix(3);
  for (auto& row : signal_rows)
    if (row.name == name)
      return row.number;
  int number = 0;
  auto [end, error] =
    std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size() && number > 0
      && number <= signal_number_max)
    return number;
  return fail(ec::invalid_argument,
              "'{}' is not a signal: give a name such as TERM or a number "
              "from 1 to {}",
              text, signal_number_max);
}

std::string signal_name(int number) {
  for (auto& row : signal_rows)
    if (row.number == number)
      return std::string{row.name};
  return fmt::format("{}", number);
}

} // namespace pm
