#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include <boost/test/unit_test.hpp>

#include <pm/config.hpp>

namespace pm {

// Prints what failed, in Boost.Test's messages.
inline std::ostream& operator<<(std::ostream& out, const config_problem& x) {
  return out << to_string(x);
}

} // namespace pm

namespace pm_test {

// A directory of its own with copies of the test files, which nobody else can
// write whatever the checkout's permissions are.
class config_fixture {
public:
  config_fixture() {
    auto name =
      (std::filesystem::temp_directory_path() / "pm-config-XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    dir = name;
  }

  ~config_fixture() {
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
  }

  // Copies the folder `from` of the checkout to `dir`/`to`.
  void copy(const std::string& from, const std::string& to) {
    namespace fs = std::filesystem;
    fs::copy(fs::path{PM_SOURCE_DIR} / from, fs::path{dir} / to,
             fs::copy_options::recursive);
    for (auto& entry : fs::recursive_directory_iterator{fs::path{dir} / to})
      fs::permissions(entry.path(), fs::perms::owner_all);
  }

  // Writes the file `name` of `dir`; gives its path.
  std::string write(const std::string& name, std::string_view text) {
    auto path = dir + "/" + name;
    std::filesystem::create_directories(
      std::filesystem::path{path}.parent_path());
    std::ofstream{path, std::ios::binary} << text;
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }

  static std::string read(const std::string& path) {
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }

  // The problems of loading `path`, one a line, with `dir` written as DIR.
  std::string problems_of(const std::string& path) {
    auto config = pm::load_config(path, lookup());
    return config ? std::string{} : shown(config.error());
  }

  std::string shown(const pm::config_problems& problems) const {
    auto text = to_string(problems);
    for (size_t at = 0; (at = text.find(dir, at)) != std::string::npos;)
      text.replace(at, dir.size(), "DIR");
    return text;
  }

  // Looks up in `variables` alone.
  pm::environment_lookup lookup() const {
    return [this](const std::string& name) -> std::optional<std::string> {
      auto found = variables.find(name);
      return found == variables.end() ? std::nullopt
                                      : std::optional{found->second};
    };
  }

  std::string dir;
  std::map<std::string, std::string> variables{{"HOME", "/home/x"},
                                               {"EMPTY", ""}};
};

} // namespace pm_test
