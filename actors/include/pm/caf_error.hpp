#pragma once

#include <caf/error.hpp>

#include <pm/error.hpp>

namespace pm {

// Our error as CAF's: category "pm", the code, and the text as context.
caf::error to_caf(const error& x);

// CAF's error as ours; what is not of category "pm" becomes `timeout`,
// `shutting_down` or `system_failed`, with CAF's own words.
error from_caf(const caf::error& x);

} // namespace pm
