#include <cctype>
#include <unordered_map>

#include <rapidjson/reader.h>

#include "registry/config/config_node.hpp"

// RapidJSON reads the grammar; this adds the places, the keys given twice, the
// limits, and words for what is wrong.

namespace pm::config {

namespace {

// A RapidJSON stream over a text of known length, which can tell where it is.
class text_stream {
public:
  using Ch = char;

  text_stream(std::string_view text, size_t begin)
    : text_(text), position_(begin) {}

  Ch Peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }

  Ch Take() { return position_ < text_.size() ? text_[position_++] : '\0'; }

  size_t Tell() const { return position_; }

  // RapidJSON wants these of every stream; reading never calls them.
  Ch* PutBegin() { return nullptr; }

  void Put(Ch) {}

  void Flush() {}

  size_t PutEnd(Ch*) { return 0; }

private:
  std::string_view text_;
  size_t position_ = 0;
};

// Where the next token begins at or after `i`. Between two tokens stand only
// blanks, comments, commas and colons.
size_t token_start(std::string_view text, size_t i) {
  auto npos = std::string_view::npos;
  while (i < text.size()) {
    if (text[i] == '/') {
      auto block = text.substr(i, 2) == "/*";
      auto end = block ? text.find("*/", i + 2) : text.find('\n', i);
      i = end == npos ? text.size() : end + (block ? 2 : 1);
    } else if (std::string_view{" \t\r\n,:"}.find(text[i]) != npos) {
      ++i;
    } else {
      break;
    }
  }
  return i;
}

// Builds the tree out of RapidJSON's events.
class tree_builder {
public:
  tree_builder(const source& from, const text_stream& in,
               problem_list& problems)
    : from_(from), in_(in), problems_(problems), last_end_(in.Tell()) {}

  bool Null() { return scalar({}); }

  bool Bool(bool x) {
    return scalar({.type = node_type::boolean, .boolean = x});
  }

  bool Int(int x) { return Int64(x); }

  bool Uint(unsigned x) { return Int64(x); }

  bool Int64(int64_t x) {
    return scalar({.type = node_type::integer,
                   .integer = x,
                   .number = static_cast<double>(x)});
  }

  bool Uint64(uint64_t x) {
    return x <= INT64_MAX ? Int64(static_cast<int64_t>(x))
                          : Double(static_cast<double>(x));
  }

  bool Double(double x) {
    return scalar({.type = node_type::number, .number = x});
  }

  bool RawNumber(const char*, unsigned, bool) { return false; }

  bool String(const char* text, unsigned size, bool) {
    return scalar({.type = node_type::string, .text = {text, size}});
  }

  bool Key(const char* text, unsigned size, bool) {
    key_.assign(text, size);
    key_offset_ = begin();
    last_end_ = in_.Tell();
    return true;
  }

  bool StartObject() { return open(node_type::object); }

  bool EndObject(unsigned) { return close(); }

  bool StartArray() { return open(node_type::array); }

  bool EndArray(unsigned) { return close(); }

  // Where the token begins that comes after the last one.
  size_t begin() const { return token_start(from_.text(), last_end_); }

  const std::string& refusal() const { return refusal_; }

  node take() { return std::move(root_); }

private:
  struct frame {
    node* value = nullptr;
    std::unordered_map<std::string, size_t> keys; // and their offsets
  };

  bool refuse(std::string text) {
    refusal_ = std::move(text);
    return false;
  }

  // Puts `x` where it belongs; gives its place, which holds while it is open.
  node* put(node x) {
    x.from = &from_;
    x.offset = begin();
    if (frames_.empty()) {
      root_ = std::move(x);
      return &root_;
    }
    auto& parent = *frames_.back().value;
    if (parent.type == node_type::object) {
      auto [known, fresh] = frames_.back().keys.emplace(key_, key_offset_);
      if (!fresh) {
        problems_.add(from_, key_offset_,
                      fmt::format("duplicate key {}; it was first given at {}",
                                  in_quotes(key_), from_.place(known->second)));
        x.broken = true;
      }
      x.key = std::move(key_);
      x.key_offset = key_offset_;
    }
    parent.children.push_back(std::move(x));
    return &parent.children.back();
  }

  bool count_value() {
    return ++values_ <= values_max
           || refuse(fmt::format("too many values: more than {}", values_max));
  }

  bool scalar(node x) {
    if (!count_value())
      return false;
    put(std::move(x));
    last_end_ = in_.Tell();
    return true;
  }

  bool open(node_type type) {
    if (!count_value())
      return false;
    if (frames_.size() >= depth_max)
      return refuse(fmt::format("nested deeper than {} levels", depth_max));
    auto* value = put({.type = type});
    frames_.push_back({value, {}});
    last_end_ = value->offset + 1;
    return true;
  }

  bool close() {
    last_end_ = begin() + 1;
    auto& value = *frames_.back().value;
    frames_.pop_back();
    // Of two members with one key the first one counts.
    if (value.type == node_type::object)
      std::erase_if(value.children, [](auto& x) { return x.broken; });
    return true;
  }

  const source& from_;
  const text_stream& in_;
  problem_list& problems_;
  size_t last_end_ = 0;
  size_t values_ = 0;
  std::string key_;
  size_t key_offset_ = 0;
  std::vector<frame> frames_;
  std::string refusal_;
  node root_;
};

// What stands at `offset`, for a message.
std::string near(std::string_view text, size_t offset) {
  if (offset >= text.size())
    return "at the end of the file";
  auto rest = text.substr(offset, 20);
  auto end = rest.find_first_of(" \t\r\n,:{}[]", 1);
  auto* hint = rest[0] == '#'    ? "; a comment begins with //"
               : rest[0] == '\'' ? "; strings stand in double quotes"
                                 : "";
  return fmt::format("near {}{}", in_quotes(rest.substr(0, end)), hint);
}

// The first byte of the word that `offset` is in.
size_t word_start(std::string_view text, size_t offset) {
  auto in_word = [&](size_t i) {
    auto c = static_cast<unsigned char>(text[i]);
    return std::isalnum(c) || c == '_' || c == '-' || c == '+' || c == '.';
  };
  while (offset > 0 && in_word(offset - 1))
    --offset;
  return offset;
}

struct syntax_error {
  size_t offset = 0;
  std::string text;
};

// A string that is wrong in itself. An open one runs to the end of the file.
syntax_error string_error(rapidjson::ParseErrorCode code, size_t offset,
                          std::string_view text, size_t start) {
  if (code == rapidjson::kParseErrorStringMissQuotationMark)
    return {start, "this string has no closing quote"};
  // RapidJSON's versions name a raw control character differently, and stand
  // at it or behind it.
  for (auto i : {offset, offset - 1})
    if (i > start && i < text.size()
        && static_cast<unsigned char>(text[i]) < 0x20) {
      if (text[i] == '\n' || text[i] == '\r')
        return {start, "this string is not closed on its line"};
      return {i, "a control character in a string; write it as \\u00XX"};
    }
  if (code == rapidjson::kParseErrorStringInvalidEncoding)
    return {start, "this string is not valid UTF-8"};
  return {offset, fmt::format("bad escape {} in a string; write \\\\ for a "
                              "backslash",
                              in_quotes(text.substr(offset, 2)))};
}

syntax_error describe_error(rapidjson::ParseErrorCode code, size_t offset,
                            std::string_view text, size_t start) {
  using namespace rapidjson;
  auto here = near(text, offset);
  switch (code) {
  case kParseErrorDocumentEmpty:
    return {offset, "the file is empty; it needs one object: {}"};
  case kParseErrorDocumentRootNotSingular:
    return {offset, "trailing garbage after the configuration, " + here};
  case kParseErrorObjectMissName:
    return {offset, "expected a key in double quotes or '}', " + here};
  case kParseErrorObjectMissColon:
    return {offset, "expected ':' after the key, " + here};
  case kParseErrorObjectMissCommaOrCurlyBracket:
    return {offset, "expected ',' or '}', " + here};
  case kParseErrorArrayMissCommaOrSquareBracket:
    return {offset, "expected ',' or ']', " + here};
  case kParseErrorStringUnicodeEscapeInvalidHex:
  case kParseErrorStringUnicodeSurrogateInvalid:
  case kParseErrorStringEscapeInvalid:
  case kParseErrorStringInvalidEncoding:
  case kParseErrorStringMissQuotationMark:
    return string_error(code, offset, text, start);
  case kParseErrorNumberTooBig:
    return {start, "this number is too big"};
  case kParseErrorNumberMissFraction:
  case kParseErrorNumberMissExponent:
    return {start, "this number has no digits at its end"};
  case kParseErrorValueInvalid:
    if (offset >= text.size())
      return {offset, "expected a value, " + here};
    offset = word_start(text, offset);
    return {offset, "expected a value, " + near(text, offset)};
  default:
    if (offset >= text.size())
      return {text.rfind("/*"), "this comment has no end"};
    return {offset, "this is not JSON, " + here};
  }
}

} // namespace

std::optional<node> parse_text(const source& from, problem_list& problems) {
  auto text = from.text();
  // RapidJSON takes a NUL for the end.
  if (auto nul = text.find('\0'); nul != std::string_view::npos) {
    problems.add(from, nul, "a NUL byte; this is not a text file");
    return std::nullopt;
  }
  text_stream in{text, text.starts_with("\xef\xbb\xbf") ? 3u : 0u};
  tree_builder builder{from, in, problems};
  rapidjson::Reader reader;
  constexpr unsigned flags = rapidjson::kParseIterativeFlag
                             | rapidjson::kParseCommentsFlag
                             | rapidjson::kParseTrailingCommasFlag
                             | rapidjson::kParseValidateEncodingFlag;
  auto outcome = reader.Parse<flags>(in, builder);
  if (!outcome.IsError())
    return builder.take();
  auto start = builder.begin();
  if (outcome.Code() == rapidjson::kParseErrorTermination) {
    problems.add(from, start, builder.refusal());
  } else {
    auto [offset, words] =
      describe_error(outcome.Code(), outcome.Offset(), text, start);
    problems.add(from, offset, std::move(words));
  }
  return std::nullopt;
}

} // namespace pm::config
