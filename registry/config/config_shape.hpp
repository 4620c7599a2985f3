#pragma once

#include <rapidjson/document.h>

#include <pm/spec.hpp>

namespace pm::config {

// A spec as JSON in the words of a configuration file: the keys that a person
// writes there, with durations, signals and shell commands as texts. For
// showing and comparing; what the file took from `defaults` is in it too.
rapidjson::Document in_config_words(const process_spec& spec);

} // namespace pm::config
