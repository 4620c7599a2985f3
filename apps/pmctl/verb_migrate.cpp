#include <cerrno>
#include <map>

#include <fcntl.h>
#include <sys/stat.h>

#include <CLI/App.hpp>

#include <pm/json.hpp>
#include <pm/migration.hpp>

#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/send_records.hpp"
#include "apps/pmctl/terminal_text.hpp"
#include "runtime/os/unique_fd.hpp"

// migrate: the registry of the tool before this one, shown and taken over.

namespace pm::ctl {

namespace {

// A line of the control protocol, less what stands around the processes.
constexpr size_t request_bytes_max = control_client::line_max - 64 * 1024;

// How many names stand behind a note before "and N more".
constexpr size_t names_shown_max = 5;

// Reads a regular file, which is opened for reading only.
expected<std::string> read_old_file(const std::string& path) {
  auto place = fmt::format("cannot read '{}'", path);
  // Without waiting for the other end of a pipe.
  unique_fd file{
    ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (!file)
    return fail_errno(errno, place);
  struct stat what {};
  if (::fstat(file.get(), &what) != 0)
    return fail_errno(errno, place);
  if (!S_ISREG(what.st_mode))
    return fail(ec::format_refused, "{}: not a regular file", place);
  std::string text;
  std::string part(64 * 1024, '\0');
  // One byte too many is enough for the refusal.
  while (text.size() <= migration_bytes_max) {
    auto n = ::read(file.get(), part.data(), part.size());
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return fail_errno(errno, place);
    if (n == 0)
      break;
    text.append(part, 0, static_cast<size_t>(n));
  }
  return text;
}

// What is told about an entry.
struct told {
  std::string outcome; // a migration_outcome, or "refused"
  std::string text;
};

struct report {
  std::string file;
  migration_plan plan;
  std::vector<told> rows; // one for each entry
  bool did = false;

  size_t count(std::string_view outcome) const {
    size_t n = 0;
    for (auto& x : rows)
      n += x.outcome == outcome ? 1 : 0;
    return n;
  }

  bool is_clean() const { return count("refused") + count("skipped") == 0; }
};

report report_of(std::string file, migration_plan plan) {
  report x;
  x.file = std::move(file);
  x.plan = std::move(plan);
  for (auto& entry : x.plan.entries)
    x.rows.push_back({std::string{to_string(entry.outcome)}, entry.text});
  return x;
}

// Hands all records to the node in one request, and puts into `to` what it
// refuses.
expected<void> hand_over(session& here, report& to) {
  std::string records;
  for (auto& entry : to.plan.entries)
    if (entry.record)
      records += (records.empty() ? "" : ",") + to_json(*entry.record);
  if (records.size() > request_bytes_max)
    return fail(ec::invalid_argument,
                "{}: its records are {} bytes, and a node takes {} at once; "
                "nothing was changed: migrate it in parts",
                to.file, records.size(), request_bytes_max);
  to.did = true;
  if (records.empty())
    return {};
  auto answer = send_records(here, records);
  if (!answer)
    return tl::make_unexpected(std::move(answer.error()));
  std::map<std::string_view, const record_outcome*> said;
  for (auto& x : *answer)
    said[x.handle_id] = &x;
  for (size_t i = 0; i < to.rows.size(); ++i) {
    if (!to.plan.entries[i].record)
      continue;
    auto found = said.find(to.plan.entries[i].name);
    if (found == said.end())
      to.rows[i] = {"refused", "the node's answer does not name it"};
    else if (found->second->outcome != "added")
      to.rows[i] = {"refused", found->second->text};
  }
  return {};
}

std::string json_of(const report& x) {
  std::string processes;
  for (size_t i = 0; i < x.rows.size(); ++i) {
    auto& entry = x.plan.entries[i];
    request_params row;
    row.set("handle_id", entry.name)
      .set("outcome", x.rows[i].outcome)
      .set("text", x.rows[i].text)
      .set("notes", entry.notes)
      .set_json("definition",
                entry.record ? to_json(entry.record->definition) : "null")
      .set_json("state", entry.record ? to_json(entry.record->state) : "null");
    processes += (processes.empty() ? "" : ",") + row.str();
  }
  request_params out;
  out.set("file", x.file).set("format", x.plan.format).set("done", x.did);
  for (auto name : {"adopted", "stopped", "lost", "refused", "skipped"})
    out.set(name, uint64_t{x.count(name)});
  return out.set_json("processes", "[" + processes + "]").str() + "\n";
}

hue hue_of(std::string_view outcome) {
  return outcome == "adopted"   ? hue::green
         : outcome == "stopped" ? hue::none
         : outcome == "lost"    ? hue::yellow
                                : hue::red;
}

// Each note once, with those whom it is about.
std::string notes_text(const report& x) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<std::string_view>> about;
  for (auto& entry : x.plan.entries)
    for (auto& note : entry.notes) {
      auto& names = about[note];
      if (names.empty())
        order.push_back(note);
      names.push_back(entry.name);
    }
  std::string out;
  for (auto& note : order) {
    auto& names = about[note];
    std::string who;
    for (size_t i = 0; i < std::min(names.size(), names_shown_max); ++i)
      who += fmt::format("{}{}", i == 0 ? "" : ", ", names[i]);
    if (names.size() > names_shown_max)
      who += fmt::format(" and {} more", names.size() - names_shown_max);
    out += printable(fmt::format("note on {}: {}", who, note)) + "\n";
  }
  return out;
}

std::string table_text(const report& x, look how) {
  if (x.rows.empty())
    return {};
  how.width = 0; // a reason is of no use when it is cut
  std::vector<std::vector<cell>> rows;
  for (size_t i = 0; i < x.rows.size(); ++i)
    rows.push_back({{printable(x.plan.entries[i].name)},
                    {x.rows[i].outcome, hue_of(x.rows[i].outcome)},
                    {printable(x.rows[i].text)}});
  return render_table({{"NAME"}, {"OUTCOME"}, {"WHY"}}, rows, how);
}

std::string count_text(const report& x) {
  if (x.did)
    return fmt::format("{} adopted, {} stopped, {} lost, {} refused, {} "
                       "skipped; {} was not changed\n",
                       x.count("adopted"), x.count("stopped"), x.count("lost"),
                       x.count("refused"), x.count("skipped"),
                       printable(x.file));
  return fmt::format("{} would be adopted, {} stopped, {} lost, {} skipped; "
                     "nothing was changed; --yes does it\n",
                     x.count("adopted"), x.count("stopped"), x.count("lost"),
                     x.count("skipped"));
}

int migrate(session& here, const std::string& file, bool yes) {
  auto world = live_world();
  if (!world)
    return session::refuse(world.error());
  auto text = read_old_file(file);
  if (!text)
    return session::refuse(text.error());
  auto plan = plan_migration(*text, file, *world);
  if (!plan)
    return session::refuse(plan.error());
  auto x = report_of(file, std::move(*plan));
  if (yes)
    if (auto ok = hand_over(here, x); !ok)
      return session::refuse(ok.error());
  if (here.options.json)
    session::emit(json_of(x));
  else if (!here.options.quiet)
    session::emit(table_text(x, here.shown()) + notes_text(x) + count_text(x));
  if (here.options.json || here.options.quiet)
    for (size_t i = 0; i < x.rows.size(); ++i)
      if (auto& row = x.rows[i];
          row.outcome == "refused" || row.outcome == "skipped")
        session::complain(fmt::format("migrate '{}': {}: {}",
                                      printable(x.plan.entries[i].name),
                                      row.outcome, row.text));
  return x.is_clean() ? done : failed;
}

} // namespace

void add_migrate_verb(command_line& to) {
  auto file = std::make_shared<std::string>();
  auto yes = std::make_shared<bool>(false);
  auto& verb =
    to.add("migrate",
           "Take over the registry of the tool before this one; "
           "shows what would happen",
           "pmctl migrate ~/.pctl/streamers.json --yes",
           [file, yes](session& here) { return migrate(here, *file, *yes); });
  verb
    .add_option("FILE", *file,
                "streamers.json, or a processes.json without a format "
                "number; it is never changed")
    ->type_name("")
    ->required();
  verb.add_flag("--yes", *yes, "Do it: hand the records to the node");
}

} // namespace pm::ctl
