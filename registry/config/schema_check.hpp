#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <rapidjson/document.h>

#include "registry/config/config_node.hpp"

// Checks a configuration against conf/pm-node.schema.json by walking the
// schema's own text, so that what is published and what is checked are one.
// It interprets the keywords that the schema uses (`schema_keywords`) and:
//
//   format   duration, signal or limit: read by the code that reads the value
//   title    what is expected, for messages
//   x-keys   what a key must be where patternProperties rule (beside them
//            stands `additionalProperties: {"not": {}}`: RapidJSON 1.1's
//            validator writes beyond its memory where it is false)
//   x-later  keys that are known but not supported by this version

namespace pm::config {

// The parsed schema; lives as long as the program.
const rapidjson::Document& schema_document();

// Every keyword that the checker obeys or passes over on purpose.
const std::vector<std::string_view>& schema_keywords();

// Where in the configuration a value is, for messages. A path is a list on
// the stack: each step knows the one above it.
struct path {
  const path* above = nullptr;
  std::string_view key; // of a member
  int index = -1;       // of an element

  // "'shutdown.timeout' of process 'web'", "process 'web'", "'node.name'".
  std::string subject() const;
};

// Checks a whole file; adds what is wrong to `problems`.
void check_document(const node& root, problem_list& problems);

// Checks one process in config form.
void check_process(const node& x, std::string_view handle_id,
                   problem_list& problems);

} // namespace pm::config
