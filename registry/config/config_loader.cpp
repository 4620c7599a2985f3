#include <algorithm>
#include <filesystem>
#include <glob.h>
#include <set>

#include <pm/config.hpp>
#include <pm/json.hpp>

#include "registry/config/config_files.hpp"
#include "registry/config/config_node.hpp"
#include "registry/config/expand.hpp"
#include "registry/config/process_reader.hpp"
#include "registry/config/schema_check.hpp"

namespace pm {

namespace config {

namespace {

constexpr size_t include_depth_max = 16;
constexpr size_t files_max = 4096;
constexpr size_t processes_max = 100'000;

std::string absolute_path(const std::string& path) {
  std::error_code ignored;
  auto full = std::filesystem::absolute(path, ignored);
  return full.empty() ? path : full.lexically_normal().string();
}

// Who has a handle id, for the message to the second one who wants it.
struct claim {
  const source* from = nullptr;
  size_t offset = 0;
  std::string owner; // "process 'web'", "replica 1 of 'web'"
};

// Gathers definitions, and finds those that want the same name.
class definition_list {
public:
  definition_list(problem_list& problems, pm::origin origin)
    : problems_(problems), origin_(origin) {}

  // Adds what `x` has become; K of them with replicas.
  void add(const node& x, const std::string& handle_id,
           process_reading reading) {
    if (!take_name(x, handle_id, "process " + in_quotes(handle_id)))
      return;
    named_.push_back({handle_id, std::move(reading.needs)});
    if (reading.replicas == 0)
      return add_one(x, handle_id, std::move(reading.spec));
    for (int i = 1; i <= reading.replicas; ++i) {
      auto name = fmt::format("{}.{}", handle_id, i);
      auto owner = fmt::format("replica {} of {}", i, in_quotes(handle_id));
      if (!take_name(x, name, owner))
        return;
      reading.spec.replica = i;
      add_one(x, name, reading.spec);
      if (problems_.full() || definitions_.size() > processes_max)
        return;
    }
  }

  // To be called when all are there.
  void check_dependencies() {
    config::check_dependencies(named_, definitions_, problems_);
  }

  std::vector<process_definition> take() { return std::move(definitions_); }

private:
  bool take_name(const node& x, const std::string& name,
                 const std::string& owner) {
    auto [known, fresh] =
      names_.try_emplace(name, claim{x.from, x.key_offset, owner});
    if (fresh)
      return true;
    auto& first = known->second;
    auto place = first.from->place(first.offset);
    problems_.add(
      *x.from, x.key_offset,
      first.owner == owner
        ? fmt::format("{} is defined twice; first at {}", owner, place)
        : fmt::format("{}: the name {} is taken by {} at {}", owner,
                      in_quotes(name), first.owner, place));
    return false;
  }

  void add_one(const node& x, const std::string& name, process_spec spec) {
    if (definitions_.size() >= processes_max)
      return problems_.add(
        *x.from, x.key_offset,
        fmt::format("more than {} processes", processes_max));
    if (auto ok = check_handle_id(name); !ok)
      return problems_.add(*x.from, x.key_offset, ok.error().text);
    definitions_.push_back({name, origin_, {}, std::move(spec)});
  }

  problem_list& problems_;
  pm::origin origin_;
  std::map<std::string, claim> names_;
  std::vector<named_process> named_;
  std::vector<process_definition> definitions_;
};

// Loads one configuration: the main file and what it includes.
class loader {
public:
  explicit loader(const environment_lookup& lookup) : lookup_(lookup) {}

  tl::expected<node_config, config_problems>
  load(const std::string& path, const std::string_view* given) {
    result_.path = absolute_path(path);
    if (given != nullptr && given->size() > file_bytes_max) {
      problems_.add_unread(0, path, "larger than 16 MiB");
    } else if (given != nullptr) {
      read(files_.add_text(path, dir_of(result_.path), std::string{*given}),
           {});
    } else if (auto file = files_.read(result_.path, path)) {
      open_files_.push_back({file->device, file->inode});
      read(*file->text, {});
    } else {
      problems_.add_unread(0, path, "cannot be read: " + file.error().text);
    }
    if (problems_.empty()) // else some are missing for another reason
      definitions_.check_dependencies();
    if (!problems_.empty())
      return tl::make_unexpected(problems_.take());
    result_.files = files_.paths();
    result_.processes = definitions_.take();
    return std::move(result_);
  }

private:
  using file_id = std::pair<dev_t, ino_t>;

  // Reads one file's text; `inherited` are the defaults of the files above.
  void read(const source& from, const node& inherited) {
    auto root = parse_text(from, problems_);
    if (!root)
      return;
    expand_strings(*root, lookup_, problems_);
    check_strings(*root, problems_);
    check_document(*root, problems_);
    if (auto* x = root->find("node"))
      read_node(*x);
    node defaults{.type = node_type::object};
    if (auto* x = root->find("defaults"); x != nullptr && !x->broken)
      defaults = *x;
    merge_under(defaults, inherited);
    if (auto* x = root->find("include"))
      read_includes(*x, defaults);
    auto* processes = root->find("processes");
    if (processes == nullptr || !processes->is(node_type::object))
      return;
    reader_context context{files_, problems_};
    for (auto& x : processes->children) {
      if (problems_.full())
        return;
      if (!x.is(node_type::object) || !check_handle_id(x.key))
        continue; // the schema has said so
      auto whole = x;
      merge_under(whole, defaults);
      definitions_.add(x, x.key,
                       read_process(whole, x.key, from.dir(), context));
    }
  }

  void read_node(const node& x) {
    if (depth_ > 0)
      return problems_.add(*x.from, x.key_offset,
                           "'node' belongs into the main file");
    if (auto* name = x.find("name"))
      result_.name = name->text;
    if (auto* most = x.find("start_concurrency_max");
        most != nullptr && most->is(node_type::integer))
      result_.start_concurrency_max = static_cast<int>(most->integer);
    if (auto* mode = find_good(x, "cgroups"))
      result_.cgroups = mode->text == "on"    ? cgroup_mode::on
                        : mode->text == "off" ? cgroup_mode::off
                                              : cgroup_mode::if_cheap;
  }

  void read_includes(const node& x, const node& defaults) {
    auto one = [&](const node& name) {
      if (name.is(node_type::string) && !name.text.empty())
        read_include(name, defaults);
    };
    one(x);
    for (auto& name : x.children)
      one(name);
  }

  void read_include(const node& x, const node& defaults) {
    auto& dir = x.from->dir();
    if (x.text.find_first_of("*?[") == std::string::npos)
      return include_file(x, x.text, defaults);
    // A directory's own name is no pattern.
    std::string pattern;
    if (!x.text.starts_with('/')) {
      for (auto c : dir + '/') {
        if (std::string_view{"*?[]\\"}.find(c) != std::string_view::npos)
          pattern += '\\';
        pattern += c;
      }
    }
    pattern += x.text;
    glob_t found{};
    auto outcome = ::glob(pattern.c_str(), 0, nullptr, &found);
    std::vector<std::string> names(found.gl_pathv,
                                   found.gl_pathv + found.gl_pathc);
    ::globfree(&found);
    if (outcome != 0 && outcome != GLOB_NOMATCH)
      return problems_.add(*x.from, x.offset,
                           fmt::format("cannot list {}", in_quotes(x.text)));
    for (auto& name : names)
      include_file(x,
                   x.text.starts_with('/') ? name : name.substr(dir.size() + 1),
                   defaults);
  }

  // `name` is as written, or as a pattern gave it: relative to the directory
  // of the file that `x` stands in.
  void include_file(const node& x, const std::string& name,
                    const node& defaults) {
    if (problems_.full())
      return;
    auto path = join_path(x.from->dir(), name);
    auto refuse = [&](std::string_view why) {
      problems_.add(*x.from, x.offset,
                    fmt::format("cannot include {}: {}", in_quotes(path), why));
    };
    if (depth_ >= include_depth_max)
      return refuse(fmt::format("more than {} files deep", include_depth_max));
    if (files_.paths().size() >= files_max)
      return refuse(fmt::format("more than {} files", files_max));
    auto file = files_.read(path, join_path(dir_of(x.from->shown()), name));
    if (!file)
      return refuse(file.error().text);
    file_id id{file->device, file->inode};
    if (std::find(open_files_.begin(), open_files_.end(), id)
        != open_files_.end())
      return refuse("it includes itself");
    if (!included_.insert(id).second)
      return; // named twice: once is enough
    open_files_.push_back(id);
    ++depth_;
    read(*file->text, defaults);
    --depth_;
    open_files_.pop_back();
  }

  const environment_lookup& lookup_;
  file_store files_;
  problem_list problems_;
  definition_list definitions_{problems_, pm::origin::config};
  node_config result_;
  size_t depth_ = 0;
  std::vector<file_id> open_files_; // from the main file down
  std::set<file_id> included_;
};

} // namespace

} // namespace config

tl::expected<node_config, config_problems>
load_config(const std::string& path, const environment_lookup& lookup) {
  return config::loader{lookup}.load(path, nullptr);
}

tl::expected<node_config, config_problems>
parse_config(std::string_view text, const std::string& path,
             const environment_lookup& lookup) {
  return config::loader{lookup}.load(path, &text);
}

tl::expected<std::vector<process_definition>, config_problems>
parse_process(const std::string& handle_id, std::string_view json,
              const std::string& base_dir) {
  using namespace config;
  if (auto ok = check_handle_id(handle_id); !ok)
    return tl::make_unexpected(config_problems{{{}, 0, 0, ok.error().text}});
  file_store files;
  problem_list problems;
  definition_list definitions{problems, origin::adhoc};
  auto& from = files.add_text({}, base_dir, std::string{json});
  if (json.size() > file_bytes_max) {
    problems.add_unread(0, {}, "larger than 16 MiB");
  } else if (auto x = parse_text(from, problems)) {
    check_strings(*x, problems);
    check_process(*x, handle_id, problems);
    reader_context context{files, problems, false};
    if (x->is(node_type::object))
      definitions.add(*x, handle_id,
                      read_process(*x, handle_id, base_dir, context));
  }
  if (!problems.empty())
    return tl::make_unexpected(problems.take());
  return definitions.take();
}

} // namespace pm
