#pragma once

#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <pm/json.hpp>
#include <pm/record.hpp>

// JSON for everything that has a field list; the only code that turns our
// structs into JSON and back.

namespace pm::json {

using writer = rapidjson::Writer<rapidjson::StringBuffer>;
using value = rapidjson::Value;

// Writes a string, with bytes that are not UTF-8 replaced by U+FFFD.
void write_text(writer& out, std::string_view text);

// True if all of `text` is UTF-8 without surrogates or overlong forms.
bool is_utf8(std::string_view text) noexcept;

// Parses what may come from anybody: numbers to the last bit, the encoding
// checked, and no deeper than `nesting_max`, so that it can be gone through.
// Errors: format_refused, with the byte.
constexpr size_t nesting_max = 1000;
expected<void> parse(rapidjson::Document& to, std::string_view text);

template <class T>
void write(writer& out, const T& x);

template <class T>
void write(writer& out, const std::optional<T>& x);

template <class T>
void write(writer& out, const std::vector<T>& xs);

template <class T>
void write(writer& out, const std::map<std::string, T>& xs);

template <class T>
void write(writer& out, const std::optional<T>& x) {
  if (x)
    write(out, *x);
  else
    out.Null();
}

template <class T>
void write(writer& out, const std::vector<T>& xs) {
  out.StartArray();
  for (const T& x : xs)
    write(out, x);
  out.EndArray();
}

template <class T>
void write(writer& out, const std::map<std::string, T>& xs) {
  out.StartObject();
  for (auto& [name, x] : xs) {
    write_text(out, name); // a key is a string to the writer
    write(out, x);
  }
  out.EndObject();
}

template <class T>
void write_fields(writer& out, const T& x) {
  T::fields(x, [&](auto... fs) {
    ((out.Key(fs.name.data(), static_cast<unsigned>(fs.name.size())),
      write(out, fs.value)),
     ...);
  });
}

template <class T>
void write(writer& out, const T& x) {
  if constexpr (std::is_same_v<T, bool>) {
    out.Bool(x);
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    write_text(out, x);
  } else if constexpr (std::is_same_v<T, json_text>) {
    if (x.text.empty())
      out.Null();
    else
      out.RawValue(x.text.data(), x.text.size(), rapidjson::kObjectType);
  } else if constexpr (std::is_same_v<T, run_id>) {
    write_text(out, x.str());
  } else if constexpr (std::is_same_v<T, ec> || named_enum<T>) {
    write_text(out, to_string(x));
  } else if constexpr (std::is_same_v<T, timestamp>) {
    write_text(out, format_timestamp(x));
  } else if constexpr (std::is_same_v<T, milliseconds>) {
    out.Int64(x.count());
  } else if constexpr (std::is_floating_point_v<T>) {
    if (std::isfinite(x))
      out.Double(x);
    else
      out.Null(); // JSON has no infinity
  } else if constexpr (std::is_unsigned_v<T>) {
    out.Uint64(x);
  } else if constexpr (std::is_integral_v<T>) {
    out.Int64(x);
  } else {
    out.StartObject();
    write_fields(out, x);
    out.EndObject();
  }
}

// The same, for what is kept on disk: a member that has its default is left
// out, since a missing one is read as that.
template <class T>
void write_sparse(writer& out, const T& x);

template <class T>
void write_sparse_fields(writer& out, const T& x) {
  static const T fresh;
  auto one = [&](auto ours, auto default_one) {
    if (ours.value == default_one.value)
      return;
    out.Key(ours.name.data(), static_cast<unsigned>(ours.name.size()));
    write_sparse(out, ours.value);
  };
  T::fields(x, [&](auto... ours) {
    T::fields(fresh, [&](auto... defaults) { (one(ours, defaults), ...); });
  });
}

template <class T>
void write_sparse(writer& out, const T& x) {
  if constexpr (has_fields<T>) {
    out.StartObject();
    write_sparse_fields(out, x);
    out.EndObject();
  } else {
    write(out, x);
  }
}

template <class T>
void write_sparse(writer& out, const std::optional<T>& x) {
  if (x)
    write_sparse(out, *x);
  else
    out.Null();
}

// Where a value stands, for errors, as in "state.exit.code". A chain of views
// of what its makers hold: it becomes a text only when something is wrong.
class place {
public:
  place() = default; // the document

  place(const char* root) : name_(root) {}

  place(const std::string& root) : name_(root) {}

  place(const place& parent, std::string_view name)
    : parent_(&parent), name_(name) {}

  place(const place& parent, size_t index)
    : parent_(&parent), index_(index), indexed_(true) {}

  std::string str() const {
    if (parent_ == nullptr)
      return std::string{name_};
    auto text = parent_->str();
    if (indexed_)
      return fmt::format("{}[{}]", text, index_);
    return text.empty() ? std::string{name_}
                        : fmt::format("{}.{}", text, name_);
  }

private:
  const place* parent_ = nullptr;
  std::string_view name_;
  size_t index_ = 0;
  bool indexed_ = false;
};

template <class T>
expected<void> read(const value& in, T& x, const place& where);

inline tl::unexpected<error> wrong_type(const place& where,
                                        std::string_view wanted) {
  auto text = where.str();
  return fail(ec::format_refused, "{}: {} expected",
              text.empty() ? "the document" : text, wanted);
}

template <class T>
expected<void> read(const value& in, std::vector<T>& xs, const place& where);

template <class T>
expected<void> read(const value& in, std::map<std::string, T>& xs,
                    const place& where);

template <class T>
expected<void> read(const value& in, std::optional<T>& x, const place& where) {
  if (in.IsNull()) {
    x.reset();
    return {};
  }
  return read(in, x.emplace(), where);
}

template <class T>
expected<void> read(const value& in, std::vector<T>& xs, const place& where) {
  if (!in.IsArray())
    return wrong_type(where, "an array");
  xs.clear();
  xs.reserve(in.Size());
  for (auto& element : in.GetArray()) {
    T x{};
    if (auto ok = read(element, x, place{where, xs.size()}); !ok)
      return ok;
    xs.push_back(std::move(x));
  }
  return {};
}

template <class T>
expected<void> read(const value& in, std::map<std::string, T>& xs,
                    const place& where) {
  if (!in.IsObject())
    return wrong_type(where, "an object");
  xs.clear();
  for (auto& member : in.GetObject()) {
    std::string name{member.name.GetString(), member.name.GetStringLength()};
    if (auto ok = read(member.value, xs[name], place{where, name}); !ok)
      return ok;
  }
  return {};
}

// Reads a value that JSON spells as a string, by way of `parse`.
template <class T, class Parse>
expected<void> read_text(const value& in, T& x, const place& where,
                         std::string_view wanted, Parse parse) {
  if (!in.IsString())
    return wrong_type(where, wanted);
  auto parsed = parse(std::string_view{in.GetString(), in.GetStringLength()});
  if (!parsed)
    return wrong_type(where, wanted);
  x = std::move(*parsed);
  return {};
}

template <class T>
expected<void> read_fields(const value& in, T& x, const place& where) {
  if (!in.IsObject())
    return wrong_type(where, "an object");
  expected<void> outcome;
  // Members mostly come in the order of the list.
  auto next = in.MemberBegin();
  auto one = [&](auto f) {
    value name{f.name.data(), static_cast<unsigned>(f.name.size())};
    auto found =
      next != in.MemberEnd() && next->name == name ? next : in.FindMember(name);
    if (!outcome || found == in.MemberEnd())
      return;
    next = found + 1;
    outcome = read(found->value, f.value, place{where, f.name});
  };
  T::fields(x, [&](auto... fs) { (one(fs), ...); });
  return outcome;
}

template <class T>
expected<void> read(const value& in, T& x, const place& where) {
  if constexpr (std::is_same_v<T, bool>) {
    if (!in.IsBool())
      return wrong_type(where, "true or false");
    x = in.GetBool();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!in.IsString())
      return wrong_type(where, "a string");
    x.assign(in.GetString(), in.GetStringLength());
  } else if constexpr (std::is_same_v<T, json_text>) {
    rapidjson::StringBuffer buffer;
    writer out{buffer};
    in.Accept(out);
    x.text = in.IsNull() ? std::string{}
                         : std::string{buffer.GetString(), buffer.GetSize()};
  } else if constexpr (std::is_same_v<T, run_id>) {
    return read_text(in, x, where, "a run id", &run_id::parse);
  } else if constexpr (std::is_same_v<T, timestamp>) {
    return read_text(in, x, where, "a time", &parse_timestamp);
  } else if constexpr (std::is_same_v<T, ec>) {
    return read_text(in, x, where, "an error code", [](std::string_view name) {
      auto code = error_code_named(name);
      return code == ec::none && name != "none" ? std::nullopt
                                                : std::optional{code};
    });
  } else if constexpr (named_enum<T>) {
    return read_text(in, x, where, "a known name", &from_name<T>);
  } else if constexpr (std::is_same_v<T, milliseconds>) {
    if (!in.IsInt64())
      return wrong_type(where, "a whole number of milliseconds");
    x = milliseconds{in.GetInt64()};
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!in.IsNumber())
      return wrong_type(where, "a number");
    x = in.GetDouble();
  } else if constexpr (std::is_unsigned_v<T>) {
    if (!in.IsUint64() || in.GetUint64() != static_cast<T>(in.GetUint64()))
      return wrong_type(where, fmt::format("a whole number from 0 to {}",
                                           std::numeric_limits<T>::max()));
    x = static_cast<T>(in.GetUint64());
  } else if constexpr (std::is_integral_v<T>) {
    if (!in.IsInt64() && !in.IsUint64())
      return wrong_type(where, "a whole number");
    if (!in.IsInt64() || in.GetInt64() != static_cast<T>(in.GetInt64()))
      return wrong_type(where, fmt::format("a whole number from {} to {}",
                                           std::numeric_limits<T>::min(),
                                           std::numeric_limits<T>::max()));
    x = static_cast<T>(in.GetInt64());
  } else {
    return read_fields(in, x, where);
  }
  return {};
}

} // namespace pm::json

// The bodies of <pm/json.hpp>, for the sources that instantiate them.
namespace pm {

template <class T>
std::string to_json(const T& x) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  json::write(out, x);
  return {buffer.GetString(), buffer.GetSize()};
}

template <class T>
expected<T> from_json(std::string_view text) {
  rapidjson::Document document;
  if (auto ok = json::parse(document, text); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  T x;
  if (auto ok = json::read(document, x, {}); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  return x;
}

// As `to_json`, without the members that have their defaults.
template <class T>
std::string to_sparse_json(const T& x) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  json::write_sparse(out, x);
  return {buffer.GetString(), buffer.GetSize()};
}

#define PM_INSTANTIATE_JSON(T)               \
  template std::string to_json<T>(const T&); \
  template expected<T> from_json<T>(std::string_view);

} // namespace pm
