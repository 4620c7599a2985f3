#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/config/config_source.hpp"

namespace pm::config {

enum class node_type : uint8_t {
  null,
  boolean,
  integer, // a whole number that fits into int64_t
  number,
  string,
  array,
  object,
};

// A value of a configuration file, which knows where it stands.
struct node {
  node_type type = node_type::null;
  bool boolean = false;
  bool broken = false; // reported already: pass over it
  const source* from = nullptr;
  size_t offset = 0;     // of the value's first byte
  size_t key_offset = 0; // of the key's; in an object
  int64_t integer = 0;
  double number = 0;
  std::string key;  // in an object
  std::string text; // of a string
  std::vector<node> children;

  bool is(node_type x) const noexcept { return type == x && !broken; }

  // The member `name` of an object; nullptr if there is none.
  const node* find(std::string_view name) const noexcept;
};

// The same, if it has not been reported as wrong.
const node* find_good(const node& x, std::string_view name);

// Limits of a file, so that no text can take unbounded memory or time.
constexpr size_t file_bytes_max = 16u << 20;
constexpr size_t values_max = 1'000'000;
constexpr size_t depth_max = 64;

// Says what `x` is, for messages: "the number 5", "an array".
std::string what_is(const node& x);

// Reads JSON with comments and trailing commas. Nothing is returned after a
// syntax error, which is added to `problems`, as duplicate keys are. `from`
// must outlive the result.
std::optional<node> parse_text(const source& from, problem_list& problems);

// Puts what `defaults` has and `x` has not under `x`; objects key by key.
void merge_under(node& x, const node& defaults);

} // namespace pm::config
