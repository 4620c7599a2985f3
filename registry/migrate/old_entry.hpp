#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pm/migration.hpp>

#include <pm/json_fields.hpp>

// One entry of an old registry on its way to a record. What stands here serves
// both formats; streamer_entry.cpp and handle_entry.cpp know the fields.

namespace pm::migrate {

// What an entry has to have under a name.
enum class need {
  value,   // the field, and not null
  field,   // the field, which may be null
  nothing, // may be missing
};

// Reads the fields of one old entry. The first thing that is wrong stays, and
// is what `problem` tells; values read after it mean nothing.
class old_entry {
public:
  // `in` must outlive this; `known` are the names of all fields.
  old_entry(const json::value& in, const std::vector<std::string_view>& known);

  // What is wrong: empty, or "field 'pid': ...".
  const std::string& problem() const noexcept { return problem_; }

  // Says that `text` is wrong with `field`.
  void refuse(std::string_view field, std::string_view text);

  // Says that the value of `field` is not `wanted`.
  void refuse_value(std::string_view field, std::string_view wanted);

  // The value of a field; null pointer for null and where it is missing.
  const json::value* find(std::string_view field, need what);

  // A string without NUL bytes.
  std::optional<std::string> text(std::string_view field, need what);

  std::optional<timestamp> time(std::string_view field, need what);

  // A process id, from 2 on: 1 is init, which nobody recorded.
  std::optional<int> pid(need what);

  std::optional<int> whole_number(std::string_view field, need what);

  // Checks that there is a number from 0 on, or null.
  void check_amount(std::string_view field, bool whole);

  // Strings without NUL bytes. `empty_allowed` is about the array.
  std::vector<std::string> texts(std::string_view field, bool empty_allowed);

  // Keeps the fields as labels "<prefix>.<field>", as they were written. Null
  // and missing ones have none.
  void keep(std::string_view prefix, const std::vector<std::string_view>& names,
            process_spec& to) const;

private:
  const json::value* member(std::string_view field) const;

  const json::value& in_;
  std::string problem_;
};

// What an entry says of its last run.
struct old_run {
  bool running = false;
  bool in_program = false; // a task: its pid, if any, is its program's
  std::optional<int> pid;
  timestamp started_at;
  std::optional<timestamp> ended_at;
  std::optional<exit_status> exit;
};

// An entry that was understood.
struct old_process {
  process_definition definition;
  old_run run;
  std::vector<std::string> notes;
};

// Reads a value of streamers.json; `name` is its key. The error's text is the
// reason to skip it.
expected<old_process> read_streamer(const json::value& in,
                                    const std::string& name);

// Reads a handle. `name` is its key, or its own handle id where the file is an
// array.
expected<old_process> read_handle(const json::value& in,
                                  const std::string& name);

// True where `in` has the field of one format that the other does not have.
bool looks_like_streamer(const json::value& in);
bool looks_like_handle(const json::value& in);

// Where an old log file is to be: in the spec where that is the same place,
// else as a label, with a note.
void place_log_file(const std::optional<std::string>& file,
                    std::string_view prefix, old_process& to);

} // namespace pm::migrate
