#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <rapidjson/document.h>

#include <pm/error.hpp>

namespace pm::ctl {

// One line from the node: a reply, a failure, or a notification.
class control_message {
public:
  enum class what { reply, failure, notification };

  // Reads one line. Errors: protocol_violation.
  static expected<control_message> parse(std::string_view line);

  what is = what::notification;
  int id = 0;         // of the request that it belongs to; 0: of none
  std::string method; // of a notification
  error why;          // of a failure

  // The result of a reply, or the params of a notification; null else.
  const rapidjson::Value& body() const noexcept { return *body_; }

private:
  std::unique_ptr<rapidjson::Document> document_;
  const rapidjson::Value* body_ = nullptr; // into document_
};

} // namespace pm::ctl
