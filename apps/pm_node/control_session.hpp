#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <pm/actors.hpp>

#include "apps/pm_node/param_reader.hpp"
#include "apps/pm_node/usage_sampler.hpp"

// One client of the control socket (apps/control.md): its lines become typed
// messages to the manager, the answers become lines.

namespace pm {

using line_atom = caf::atom_constant<caf::atom("line")>;
using end_atom = caf::atom_constant<caf::atom("end")>;
using gone_atom = caf::atom_constant<caf::atom("gone")>;
using usage_atom = caf::atom_constant<caf::atom("usage")>;

using control_session_actor = caf::typed_actor<
  // A line has come in.
  caf::reacts_to<line_atom, std::string>,
  // The client sends nothing more; it may still wait for answers.
  caf::reacts_to<end_atom>,
  // The connection is closed; the session ends.
  caf::reacts_to<gone_atom>,
  // The views of a `list` with their usage, for the request of this id, and
  // the JSON of their trees where those were asked for.
  caf::reacts_to<usage_atom, std::string, std::vector<process_view>,
                 std::vector<std::string>>,
  // As event_listener and output_listener.
  caf::reacts_to<event_atom, process_event>,
  caf::reacts_to<dropped_atom, std::string>,
  caf::reacts_to<spawned_atom, process_view>,
  caf::reacts_to<output_atom, std::string, stream, std::string>>;

// What all sessions of a node share.
struct control_context {
  manager_actor manager;
  std::string node_name;
  std::string state_dir;
  timestamp started_at{};
  std::function<int()> keeper_pid;
  // The client asked for the end of the node, and all is done.
  std::function<void()> ended;
  // The program at this path is to take the node's place, and the one at the
  // other path, unless that is empty, the keeper's.
  std::function<void(std::string, std::string)> upgrade;
  std::function<std::string()> program_path; // of this node
  // The keeper that goes with a program; empty: the one that serves stays.
  std::function<std::string(const std::string&)> next_keeper;
  // Reads the configuration file again. Errors: bad_config, with a line for
  // each problem; invalid_argument (the node has none).
  std::function<expected<accepted_config>()> read_config;
  std::function<void(std::string)> note; // a line for the node's log
  std::shared_ptr<usage_sampler> usage;
  std::function<uint64_t(const run_id&)> dropped_bytes; // of a live run
};

// The client's end of a session: lines out, and who it is.
struct control_peer {
  std::function<void(std::string)> send; // a line without its newline
  std::function<void()> close;           // after what was sent
  int uid = -1;
  int pid = 0;
  std::string program; // its name
};

class control_session_state {
public:
  using pointer =
    control_session_actor::stateful_pointer<control_session_state>;

  void init(pointer self, std::shared_ptr<const control_context> on,
            control_peer peer);

  void receive(const std::string& line);
  void input_ended();
  void leave();
  void usage_done(const std::string& id, const std::vector<process_view>& views,
                  const std::vector<std::string>& trees);
  void tell_event(const process_event& event);
  void tell_dropped(const std::string& why);
  void tell_started(const process_view& view);
  void tell_output(const std::string& handle_id, stream which,
                   const std::string& chunk);

private:
  // A request under way.
  struct request {
    std::string id; // as JSON text
    request_context by;
    caf::duration deadline = caf::infinite;
    std::string verb;
  };

  struct method;
  static const method* find_method(std::string_view name);
  static const method* find_notification(std::string_view name);

  void version(request x, param_reader& params);
  void list(request x, param_reader& params);
  void show(request x, param_reader& params);
  void start(request x, param_reader& params);
  void stop(request x, param_reader& params);
  void restart(request x, param_reader& params);
  void remove(request x, param_reader& params);
  void signal(request x, param_reader& params);
  void wait(request x, param_reader& params);
  void run(request x, param_reader& params);
  void events(request x, param_reader& params);
  void cleanup(request x, param_reader& params);
  void save(request x, param_reader& params);
  void shutdown(request x, param_reader& params);
  void history(request x, param_reader& params);
  void why(request x, param_reader& params);
  void recover(request x, param_reader& params);
  void migrate(request x, param_reader& params);
  void upgrade(request x, param_reader& params);
  void check_keeper(const request& x, const std::string& binary);
  void reset(request x, param_reader& params);
  void scale(request x, param_reader& params);
  void graph(request x, param_reader& params);
  void diff(request x, param_reader& params);
  void apply(request x, param_reader& params);
  void simulate(request x, param_reader& params);

  void feed_stdin(request x, param_reader& params);
  void close_stdin(request x, param_reader& params);
  void consumed(request x, param_reader& params);
  void run_signal(request x, param_reader& params);

  void define_and_start(request x, param_reader& params);
  void for_each_name(request x, std::vector<std::string> names,
                     std::function<void(const std::string& id,
                                        std::function<void(std::string)> done)>
                       act);
  template <class... Ts>
  void change(const request& x, const std::string& id,
              std::function<void(std::string)> done, Ts... message);

  void change_one(const request& x, const std::string& id,
                  std::function<void(std::string)> done, bool force);
  template <class... Ts>
  void change_group(const request& x, Ts... message);
  void with_ids(const request& x, std::vector<std::string> names,
                std::function<void(const std::vector<std::string>&)> then);

  bool accept(request& x, param_reader& params);
  void sample(const request& x, std::vector<process_view> views,
              bool with_trees = false);
  void reply(const request& x, std::string_view result);
  void reject(const request& x, const error& why);
  void notify(std::string_view method, std::string_view members);
  void finish(const request& x);
  const std::string* run_of(const std::string& id) const;

  pointer self_ = nullptr;
  std::shared_ptr<const control_context> on_;
  control_peer peer_;
  std::set<std::string> open_;               // ids of requests under way
  std::map<std::string, std::string> runs_;  // request id -> handle id
  std::map<std::string, std::string> specs_; // of a `show` under way, by id
  bool input_ended_ = false;
  std::string events_id_; // of the `events` that follows
};

control_session_actor::behavior_type
control_session(control_session_state::pointer self,
                std::shared_ptr<const control_context> on,
                std::shared_ptr<const control_peer> peer);

} // namespace pm
