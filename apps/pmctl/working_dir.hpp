#pragma once

#include <cerrno>
#include <climits>
#include <string>

#include <unistd.h>

#include <pm/error.hpp>

namespace pm::ctl {

// The directory that pmctl was called in. Errors: system_failed.
inline expected<std::string> current_directory() {
  char path[PATH_MAX];
  if (getcwd(path, sizeof(path)) == nullptr)
    return fail_errno(errno, "the working directory");
  return std::string{path};
}

// `path`, seen from `base`.
inline std::string absolute_path(const std::string& path,
                                 const std::string& base) {
  return path.starts_with('/') ? path : base + "/" + path;
}

} // namespace pm::ctl
