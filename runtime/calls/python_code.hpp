#pragma once

#include <string_view>

namespace pm::calls {

// The text of python_worker.py, which a Python process runs.
std::string_view python_code() noexcept;

} // namespace pm::calls
