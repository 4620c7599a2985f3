#include <boost/test/unit_test.hpp>

#include <filesystem>

#include "apps/pmctl/control_client.hpp"
#include "unit/pmctl/fake_node.hpp"

using namespace pm;
using namespace pm::ctl;
using pm::test::fake_node;

namespace {

control_address address_of(const fake_node& node) {
  return {node.dir() + "/control.sock", node.dir()};
}

} // namespace

BOOST_AUTO_TEST_SUITE(client)

BOOST_AUTO_TEST_CASE(call_gives_the_reply_of_its_own_request) {
  fake_node node;
  node.on("version", [](fake_node& to, const rapidjson::Document& request) {
    to.notify(request, "event", ",\"seq\":1");
    to.reply(request, R"({"version":"9"})");
  });
  auto client = control_client::connect(address_of(node));
  BOOST_REQUIRE(client);
  auto reply = client->call("version", "{}");
  BOOST_REQUIRE(reply);
  BOOST_TEST(reply->body()["version"].GetString() == "9");
}

BOOST_AUTO_TEST_CASE(call_gives_the_nodes_failure_with_code_and_text) {
  fake_node node;
  node.on_fail("stop", ec::shutting_down, "stop 'web': going down");
  auto client = control_client::connect(address_of(node));
  auto reply = client->call("stop", "{}");
  BOOST_REQUIRE(!reply);
  BOOST_TEST(
    (reply.error() == error{ec::shutting_down, "stop 'web': going down"}));
}

BOOST_AUTO_TEST_CASE(socket_path_may_be_longer_than_an_address) {
  fake_node node{8};
  node.on_reply("version", "{}");
  auto where = address_of(node);
  BOOST_REQUIRE(where.socket.size() > 200);
  auto client = control_client::connect(where);
  BOOST_REQUIRE(client);
  BOOST_TEST(client->call("version", "{}").has_value());
}

BOOST_AUTO_TEST_CASE(connect_says_how_to_start_a_node) {
  auto client =
    control_client::connect({"/tmp/pmctl-none/control.sock", "/tmp/x"});
  BOOST_REQUIRE(!client);
  BOOST_TEST((client.error().code == ec::unreachable));
  BOOST_TEST(client.error().text
             == "no node answers at /tmp/pmctl-none/control.sock: start one "
                "with 'pm-node --state-dir /tmp/x'");
}

BOOST_AUTO_TEST_CASE(receive_ends_at_its_deadline) {
  fake_node node;
  node.on("wait", [](fake_node&, const rapidjson::Document&) {});
  auto client = control_client::connect(address_of(node));
  auto reply = client->call(
    "wait", "{}", std::chrono::steady_clock::now() + milliseconds{20});
  BOOST_REQUIRE(!reply);
  BOOST_TEST((reply.error().code == ec::timeout));
}

BOOST_AUTO_TEST_CASE(node_that_goes_away_is_unreachable) {
  fake_node node;
  node.on("save",
          [](fake_node& to, const rapidjson::Document&) { to.hang_up(); });
  auto client = control_client::connect(address_of(node));
  auto reply = client->call("save", "{}");
  BOOST_REQUIRE(!reply);
  BOOST_TEST((reply.error().code == ec::unreachable));
}

BOOST_AUTO_TEST_CASE(long_lines_are_read_whole_and_too_long_ones_refused) {
  fake_node node;
  auto of_size = [](size_t size) {
    return "\"" + std::string(size, 'x') + "\"";
  };
  node.on_reply("list", of_size(5u << 20));
  node.on_reply("show", of_size(control_client::line_max + 1));
  auto client = control_client::connect(address_of(node));
  auto reply = client->call("list", "{}");
  BOOST_REQUIRE(reply);
  BOOST_TEST(reply->body().GetStringLength() == 5u << 20);
  auto refused = client->call("show", "{}");
  BOOST_REQUIRE(!refused);
  BOOST_TEST((refused.error().code == ec::protocol_violation));
}

BOOST_AUTO_TEST_CASE(request_beyond_the_limit_is_not_sent) {
  fake_node node;
  auto client = control_client::connect(address_of(node));
  auto sent =
    client->request("list", std::string(control_client::line_max, ' '));
  BOOST_REQUIRE(!sent);
  BOOST_TEST((sent.error().code == ec::invalid_argument));
}

BOOST_AUTO_TEST_CASE(lines_that_are_no_messages_are_refused) {
  for (auto line :
       {"", "x", "[]", "{}", R"({"id":1})", R"({"id":1,"result")"}) {
    auto message = control_message::parse(line);
    BOOST_REQUIRE_MESSAGE(!message, line);
    BOOST_TEST((message.error().code == ec::protocol_violation));
  }
}

BOOST_AUTO_TEST_CASE(odd_members_of_messages_do_no_harm) {
  for (auto line : {R"({"method":5})", R"({"method":"event","params":[1]})",
                    R"({"id":"a","result":null})", R"({"id":{},"error":null})",
                    R"({"error":{"data":[],"message":7}})"})
    BOOST_TEST(control_message::parse(line).has_value(), line);
  auto unknown = control_message::parse(
    R"({"id":1,"error":{"message":"m","data":{"code":"from_tomorrow"}}})");
  BOOST_TEST((unknown->why == error{ec::system_failed, "m"}));
}

BOOST_AUTO_TEST_SUITE_END()
