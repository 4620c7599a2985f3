#include <boost/test/unit_test.hpp>

#include <filesystem>

#include <unistd.h>

#include "test/support/daemon_fixture.hpp"

// A pid that another process has got by now is nobody's whom we know.

using namespace pm::test;
namespace utf = boost::unit_test;

namespace {

boost::test_tools::assertion_result can_choose_pids(utf::test_unit_id) {
  auto chosen = run_command({"unshare", "-p", "-f", "--mount-proc", "sh", "-c",
                             "echo 100 > /proc/sys/kernel/ns_last_pid"});
  boost::test_tools::assertion_result result{chosen.code == 0};
  result.message() << "a pid namespace of its own is for root only";
  return result;
}

// In a pid namespace: both halves and a process are killed, a stranger gets
// its pid, and a new node is asked to end the process in every way.
constexpr auto script =
  R"sh(# $1: where the programs are, $2: state directory, $3: rounds
set -u
bin=$1 dir=$2 rounds=$3
ctl() { "$bin/pmctl" --state-dir "$dir" "$@"; }
begin() {
  "$bin/pm-node" -q --no-respawn --state-dir "$dir" > "$dir.out" 2>&1 &
  node=$!
  tries=0
  until ctl list -q > /dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 500 ] || { echo "no node answers: $(cat "$dir.out" "$dir/node.log" | tail -5)"; exit 1; }
    sleep 0.02
  done
}
for round in $(seq "$rounds"); do
  begin
  ctl -q start --name victim -- sleep 1000 || exit 1
  victim=$(ctl list | awk '$1 == "victim" { print $3 }')
  kill -9 $node "$(cat "$dir/keeper.pid")" "$victim"
  while [ -e "/proc/$victim" ]; do sleep 0.01; done
  impostor=0
  for try in $(seq 50); do
    echo $((victim - 1)) > /proc/sys/kernel/ns_last_pid
    sleep 500 &
    impostor=$!
    [ $impostor = "$victim" ] && break
    kill $impostor
  done
  [ $impostor = "$victim" ] || { echo "pid $victim was not given again"; exit 1; }
  begin
  now=$(ctl list | awk '$1 == "victim" { print $3 }')
  [ "$now" != "$impostor" ] || { echo "round $round: adopted a stranger"; exit 1; }
  ctl -q stop --force victim
  ctl -q signal -s KILL victim 2> /dev/null
  ctl -q rm --force victim
  kill -0 $impostor || { echo "round $round: a stranger was signalled"; exit 1; }
  ctl -q shutdown
  kill -9 $impostor
done
echo "$rounds impostors lived on"
)sh";

} // namespace

BOOST_AUTO_TEST_CASE(a_stranger_with_a_known_pid_is_never_signalled,
                     *utf::precondition(can_choose_pids)) {
  temporary_directory directory;
  auto state = directory.file("state");
  std::filesystem::create_directory(state);
  std::filesystem::permissions(state, std::filesystem::perms::owner_all);
  auto done = run_command(
    {"unshare", "-p", "-f", "--mount-proc", "sh", "-c", script, "sh",
     std::filesystem::path{program("pm-node")}.parent_path(), state, "50"});
  BOOST_TEST(done.code == 0, done.out + done.err);
  BOOST_TEST(done.out == "50 impostors lived on\n");
}
