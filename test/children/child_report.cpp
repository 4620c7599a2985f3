// Prints as one line of JSON what a child can see of its own making:
// descriptors, ids, limits, signals, environment. With an argument, writes it
// to that descriptor number instead of stdout.

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

extern char** environ;

namespace {

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (unsigned char c : text) {
    char escape[8];
    if (c == '"' || c == '\\' || c < 0x20 || c >= 0x7f) {
      std::snprintf(escape, sizeof(escape), "\\u%04x", c);
      result += escape;
    } else {
      result += static_cast<char>(c);
    }
  }
  return result + "\"";
}

template <class Range, class Function>
std::string joined(const Range& range, Function text) {
  std::string result;
  for (auto& x : range) {
    if (!result.empty())
      result += ",";
    result += text(x);
  }
  return result;
}

// Without the descriptor of the listing itself.
std::string descriptors() {
  std::vector<int> numbers;
  auto dir = ::opendir("/proc/self/fd");
  while (auto entry = ::readdir(dir))
    if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != ::dirfd(dir))
      numbers.push_back(std::atoi(entry->d_name));
  ::closedir(dir);
  std::sort(numbers.begin(), numbers.end());
  return joined(numbers, [](int fd) {
    char target[4096] = {};
    auto link = "/proc/self/fd/" + std::to_string(fd);
    if (::readlink(link.c_str(), target, sizeof(target) - 1) < 0)
      return std::string{};
    return quoted(std::to_string(fd)) + ":" + quoted(target);
  });
}

std::string signals_of(const std::vector<int>& numbers) {
  return "[" + joined(numbers, [](int x) { return std::to_string(x); }) + "]";
}

std::string blocked() {
  sigset_t mask;
  sigprocmask(SIG_SETMASK, nullptr, &mask);
  std::vector<int> result;
  for (int i = 1; i < NSIG; ++i)
    if (sigismember(&mask, i) == 1)
      result.push_back(i);
  return signals_of(result);
}

std::string ignored() {
  std::vector<int> result;
  for (int i = 1; i < NSIG; ++i) {
    struct sigaction action {};
    if (sigaction(i, nullptr, &action) == 0 && action.sa_handler == SIG_IGN)
      result.push_back(i);
  }
  return signals_of(result);
}

std::string groups() {
  std::vector<gid_t> result(65536);
  auto count = ::getgroups(static_cast<int>(result.size()), result.data());
  result.resize(count < 0 ? 0 : static_cast<size_t>(count));
  return "[" + joined(result, [](gid_t x) { return std::to_string(x); }) + "]";
}

std::string limit(int resource) {
  rlimit value{};
  ::getrlimit(static_cast<__rlimit_resource>(resource), &value);
  return "[" + std::to_string(value.rlim_cur) + ","
         + std::to_string(value.rlim_max) + "]";
}

std::string environment() {
  std::vector<std::string> rows;
  for (auto at = environ; *at != nullptr; ++at)
    rows.emplace_back(*at);
  return joined(rows, [](const std::string& row) {
    auto equals = row.find('=');
    return quoted(row.substr(0, equals)) + ":"
           + quoted(row.substr(std::min(equals + 1, row.size())));
  });
}

std::string number(const char* name, long value) {
  return std::string{","} + quoted(name) + ":" + std::to_string(value);
}

} // namespace

int main(int argc, char** argv) {
  auto text = "{\"descriptors\":{" + descriptors() + "}";
  char cwd[4096] = {};
  if (::getcwd(cwd, sizeof(cwd) - 1) == nullptr)
    cwd[0] = 0;
  auto mask = ::umask(0);
  ::umask(mask);
  text += number("pid", ::getpid()) + number("parent_pid", ::getppid());
  text += number("session", ::getsid(0)) + number("group", ::getpgrp());
  text += number("uid", ::getuid()) + number("euid", ::geteuid());
  text += number("gid", ::getgid()) + number("egid", ::getegid());
  text += number("umask", mask);
  text += number("nice", ::getpriority(PRIO_PROCESS, 0));
  text += number("no_new_privs", ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  text += ",\"cwd\":" + quoted(cwd) + ",\"groups\":" + groups();
  text += ",\"nofile\":" + limit(RLIMIT_NOFILE);
  text += ",\"core\":" + limit(RLIMIT_CORE);
  text += ",\"blocked\":" + blocked() + ",\"ignored\":" + ignored();
  text += ",\"environment\":{" + environment() + "}";
  std::vector<std::string> arguments(argv, argv + argc);
  text += ",\"arguments\":[" + joined(arguments, quoted) + "]}\n";
  auto fd = argc > 1 ? std::atoi(argv[1]) : 1;
  auto size = static_cast<ssize_t>(text.size());
  return ::write(fd > 0 ? fd : 1, text.data(), text.size()) == size ? 0 : 1;
}
