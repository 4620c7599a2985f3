#include "apps/pm_node/param_reader.hpp"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace pm {

namespace {

std::optional<std::string> text_of(const rapidjson::Value* x) {
  if (x == nullptr)
    return std::nullopt;
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> out{buffer};
  x->Accept(out);
  return std::string{buffer.GetString(), buffer.GetSize()};
}

std::string string_of(const rapidjson::Value& x) {
  return {x.GetString(), x.GetStringLength()};
}

} // namespace

param_reader::param_reader(const rapidjson::Value* params) : params_(params) {
  if (params_ != nullptr && !params_->IsObject()) {
    reject("params: an object expected");
    params_ = nullptr;
  }
}

bool param_reader::has(const char* name) const {
  return params_ != nullptr && params_->HasMember(name);
}

const rapidjson::Value* param_reader::take(const char* name) {
  taken_.insert(name);
  if (!has(name) || (*params_)[name].IsNull())
    return nullptr;
  return &(*params_)[name];
}

void param_reader::reject(std::string text) {
  if (!problem_)
    problem_ = std::move(text);
}

void param_reader::wrong_type(const char* name, std::string_view wanted) {
  reject(fmt::format("parameter '{}': {} expected", name, wanted));
}

std::optional<std::string> param_reader::text(const char* name) {
  auto* x = take(name);
  if (x == nullptr)
    return std::nullopt;
  if (x->IsString())
    return string_of(*x);
  wrong_type(name, "a string");
  return std::nullopt;
}

std::string param_reader::required_text(const char* name) {
  auto x = text(name);
  if (!x)
    reject(fmt::format("parameter '{}' is missing", name));
  return x.value_or(std::string{});
}

std::optional<bool> param_reader::flag(const char* name) {
  auto* x = take(name);
  if (x == nullptr)
    return std::nullopt;
  if (x->IsBool())
    return x->GetBool();
  wrong_type(name, "true or false");
  return std::nullopt;
}

std::optional<uint64_t> param_reader::number(const char* name) {
  auto* x = take(name);
  if (x == nullptr)
    return std::nullopt;
  if (x->IsUint64())
    return x->GetUint64();
  wrong_type(name, "a whole number from 0");
  return std::nullopt;
}

std::vector<std::string> param_reader::texts(const char* name) {
  std::vector<std::string> result;
  auto* x = take(name);
  if (x == nullptr)
    return result;
  if (!x->IsArray()) {
    wrong_type(name, "an array of strings");
    return result;
  }
  for (auto& element : x->GetArray())
    if (element.IsString())
      result.push_back(string_of(element));
    else
      wrong_type(name, "an array of strings");
  return result;
}

std::map<std::string, std::string> param_reader::text_map(const char* name) {
  std::map<std::string, std::string> result;
  auto* x = take(name);
  if (x == nullptr)
    return result;
  if (!x->IsObject()) {
    wrong_type(name, "an object of strings");
    return result;
  }
  for (auto& member : x->GetObject())
    if (member.value.IsString())
      result[string_of(member.name)] = string_of(member.value);
    else
      wrong_type(name, "an object of strings");
  return result;
}

std::optional<std::string> param_reader::raw_object(const char* name) {
  auto* x = take(name);
  if (x == nullptr || x->IsObject())
    return text_of(x);
  wrong_type(name, "an object");
  return std::nullopt;
}

std::optional<std::string> param_reader::raw_array(const char* name) {
  auto* x = take(name);
  if (x == nullptr || x->IsArray())
    return text_of(x);
  wrong_type(name, "an array");
  return std::nullopt;
}

expected<void> param_reader::finish() {
  if (params_ != nullptr)
    for (auto& member : params_->GetObject())
      if (auto name = string_of(member.name); !taken_.contains(name))
        reject(fmt::format("unknown parameter '{}'", name));
  if (problem_)
    return fail(ec::invalid_argument, "{}", *problem_);
  return {};
}

} // namespace pm
