#include <algorithm>
#include <type_traits>

#include "apps/pmctl/render_process.hpp"
#include "apps/pmctl/terminal_text.hpp"

// `pmctl show`: walks the field lists, so that no field can be forgotten.

namespace pm::ctl {

namespace {

struct line {
  std::string name;
  cell value;
};

template <class T>
void add_fields(std::vector<line>& out, const T& x, const std::string& prefix);

// Durations are shown with their unit, so the name needs none.
std::string shown_name(std::string_view name) {
  if (name.ends_with("_ms"))
    name.remove_suffix(3);
  return std::string{name};
}

// Lists its elements in one line; maps one a line, as "name=value".
template <class T>
void add(std::vector<line>& out, const std::string& name, const T& x) {
  auto put = [&](std::string text) {
    out.push_back({name, {printable(text)}});
  };
  if constexpr (std::is_same_v<T, bool>) {
    put(x ? "yes" : "no");
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!x.empty())
      put(x);
  } else if constexpr (std::is_same_v<T, milliseconds>) {
    put(format_duration(x));
  } else if constexpr (std::is_same_v<T, timestamp>) {
    if (x != timestamp{})
      put(format_timestamp(x));
  } else if constexpr (std::is_same_v<T, json_text>) {
    put(printable(x.text));
  } else if constexpr (named_enum<T>) {
    put(std::string{to_string(x)});
  } else if constexpr (std::is_arithmetic_v<T>) {
    put(fmt::format("{}", x));
  } else {
    add_fields(out, x, name + ".");
  }
}

template <class T>
void add(std::vector<line>& out, const std::string& name,
         const std::optional<T>& x) {
  if (x)
    add(out, name, *x);
}

void add(std::vector<line>& out, const std::string& name,
         const std::map<std::string, std::string>& xs) {
  for (auto& [key, value] : xs)
    out.push_back({name, {printable(key + "=" + value)}});
}

void add(std::vector<line>& out, const std::string& name,
         const std::vector<std::string>& xs) {
  if (!xs.empty())
    out.push_back({name, {command_text(xs)}});
}

void add(std::vector<line>& out, const std::string& name,
         const std::vector<int>& xs) {
  if (!xs.empty())
    out.push_back({name, {fmt::format("{}", fmt::join(xs, " "))}});
}

void add(std::vector<line>& out, const std::string& name,
         const std::vector<resource_limit>& xs) {
  auto words = [](const std::optional<uint64_t>& value) {
    return value ? std::to_string(*value) : std::string{"unlimited"};
  };
  for (auto& x : xs)
    out.push_back(
      {name + "." + x.name,
       {fmt::format("{} (hard {})", words(x.soft), words(x.hard))}});
}

template <class T>
requires has_fields<T>
void add(std::vector<line>& out, const std::string& name,
         const std::map<std::string, T>& xs) {
  for (auto& [key, x] : xs)
    add_fields(out, x, name + "." + key + ".");
}

template <class T>
requires has_fields<T>
void add(std::vector<line>& out, const std::string& name,
         const std::vector<T>& xs) {
  size_t number = 0;
  for (auto& x : xs)
    add_fields(out, x, fmt::format("{}.{}.", name, ++number));
}

template <class T>
void add_fields(std::vector<line>& out, const T& x, const std::string& prefix) {
  T::fields(x, [&](auto... fs) {
    (add(out, prefix + shown_name(fs.name), fs.value), ...);
  });
}

void append_lines(std::string& text, const std::vector<line>& lines,
                  size_t width, const look& how) {
  std::string_view last;
  for (auto& x : lines) {
    // A name that goes on is not written again.
    auto name = x.name == last ? std::string_view{} : std::string_view{x.name};
    text += coloured(name, hue::faint, how);
    text.append(width - name.size() + 2, ' ');
    text += coloured(x.value.text, x.value.colour, how);
    text += '\n';
    last = x.name;
  }
}

} // namespace

std::string show_text(const process_view& x, const process_spec& spec,
                      const look& how) {
  std::vector<line> shown;
  add_fields(shown, x, "");
  std::vector<line> defined;
  add_fields(defined, spec, "");
  for (auto& line : defined)
    if (line.name == "umask" && spec.umask)
      line.value.text = fmt::format("{:03o}", *spec.umask);
    else if (line.name == "shutdown.signal")
      line.value.text = signal_name(spec.shutdown.signal);
  for (auto& line : shown)
    if (line.name == "status")
      line.value.colour = hue_of(x);
    else if (line.name == "rss_bytes" && x.rss_bytes)
      line.value.text += fmt::format(" ({})", short_size(*x.rss_bytes));
  // What the view has told already is not said twice.
  std::erase_if(defined, [&](const line& y) {
    return std::any_of(shown.begin(), shown.end(), [&](const line& z) {
      return z.name == y.name && z.value.text == y.value.text;
    });
  });
  size_t width = 0;
  for (auto lines : {&shown, &defined})
    for (auto& line : *lines)
      width = std::max(width, line.name.size());
  std::string text;
  append_lines(text, shown, width, how);
  append_lines(text, defined, width, how);
  return text;
}

} // namespace pm::ctl
