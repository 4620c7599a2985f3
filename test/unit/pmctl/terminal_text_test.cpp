#include <boost/test/unit_test.hpp>

#include "apps/pmctl/base64.hpp"
#include "apps/pmctl/render_table.hpp"
#include "apps/pmctl/terminal_text.hpp"

using namespace pm;
using namespace pm::ctl;

BOOST_AUTO_TEST_SUITE(terminal_text)

BOOST_AUTO_TEST_CASE(control_bytes_become_visible) {
  BOOST_TEST(printable("a\x1b[31mb") == "a\\x1b[31mb");
  BOOST_TEST(printable("a\nb\tc\rd\x7f") == "a\\nb\\tc\\rd\\x7f");
  BOOST_TEST(printable(std::string_view{"\0", 1}) == "\\x00");
  // C1 controls steer terminals too.
  BOOST_TEST(printable("\xc2\x9b"
                       "31m")
             == "\\x9b31m");
}

BOOST_AUTO_TEST_CASE(what_turns_the_direction_becomes_visible) {
  BOOST_TEST(printable("x\u202ey") == "x\\u202ey");
  BOOST_TEST(printable("\u2066") == "\\u2066");
}

BOOST_AUTO_TEST_CASE(bytes_that_are_not_utf8_become_visible) {
  BOOST_TEST(printable("a\xff"
                       "b")
             == "a\\xffb");
  BOOST_TEST(printable("\xc3") == "\\xc3");
  BOOST_TEST(printable("\xe2\x82") == "\\xe2\\x82");
  BOOST_TEST(printable("\xc0\xaf") == "\\xc0\\xaf");
  BOOST_TEST(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");
}

BOOST_AUTO_TEST_CASE(letters_of_all_kinds_stay) {
  BOOST_TEST(printable("żółw 世界 🦀") == "żółw 世界 🦀");
}

BOOST_AUTO_TEST_CASE(width_counts_columns) {
  BOOST_TEST(display_width("abc") == 3u);
  BOOST_TEST(display_width("żółw") == 4u);
  BOOST_TEST(display_width("世界") == 4u);
  BOOST_TEST(display_width("e\u0301") == 1u);
  BOOST_TEST(display_width("🦀") == 2u);
}

BOOST_AUTO_TEST_CASE(cut_ends_in_an_ellipsis_within_the_width) {
  BOOST_TEST(cut_to_width("abcdef", 6) == "abcdef");
  BOOST_TEST(cut_to_width("abcdefg", 6) == "abcde…");
  BOOST_TEST(cut_to_width("世界世界", 4) == "世…");
  BOOST_TEST(cut_to_width("abc", 0) == "");
  BOOST_TEST(cut_to_width("abc", 1) == "…");
}

BOOST_AUTO_TEST_CASE(filter_keeps_lines_and_joins_split_characters) {
  terminal_filter filter;
  BOOST_TEST(filter.feed("a\tb\n\x1b[0m") == "a\tb\n\\x1b[0m");
  BOOST_TEST(filter.feed("\xe4\xb8") == "");
  BOOST_TEST(filter.feed("\x96!") == "世!");
  BOOST_TEST(filter.feed("x\r") == "x");
  BOOST_TEST(filter.feed("\ny\rz") == "\ny\\rz");
  BOOST_TEST(filter.feed("\xe4") == "");
  BOOST_TEST(filter.finish() == "\\xe4");
  BOOST_TEST(filter.finish() == "");
}

BOOST_AUTO_TEST_CASE(filter_gives_the_same_for_every_split) {
  std::string text = "one\r\ntwo\x1b[2J\xff 世界\xe4\xb8 é\r end\r";
  terminal_filter whole;
  auto expected = whole.feed(text);
  expected += whole.finish();
  for (size_t i = 0; i <= text.size(); ++i) {
    terminal_filter filter;
    auto out = filter.feed(text.substr(0, i));
    out += filter.feed(text.substr(i));
    out += filter.finish();
    BOOST_TEST(out == expected);
  }
}

BOOST_AUTO_TEST_CASE(base64_is_read_back_at_every_length) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    BOOST_TEST(from_base64(to_base64(bytes)).value() == bytes);
    bytes += static_cast<char>(i * 37);
  }
  BOOST_TEST(to_base64("foob") == "Zm9vYg==");
  BOOST_TEST(!from_base64("Zm9vYg="));
  BOOST_TEST(!from_base64("Zm9*"));
  BOOST_TEST(!from_base64("Z==="));
}

BOOST_AUTO_TEST_CASE(table_aligns_by_columns_not_bytes) {
  std::vector<column> columns{{"NAME"}, {"PID", true}, {"COMMAND"}};
  auto text = render_table(
    columns, {{{"żółw"}, {"7"}, {"x"}}, {{"b"}, {"12345"}, {"y z"}}}, {});
  BOOST_TEST(text
             == "NAME    PID  COMMAND\n"
                "żółw      7  x\n"
                "b     12345  y z\n");
}

BOOST_AUTO_TEST_CASE(table_fits_a_bounded_width) {
  std::vector<column> columns{{"NAME"}, {"COMMAND"}};
  std::vector<std::vector<cell>> rows{
    {{"a-name-of-a-process"}, {std::string(100, 'x')}}};
  for (size_t width : {80u, 40u, 20u}) {
    auto text = render_table(columns, rows, {false, true, width});
    auto line = text.substr(text.find('\n') + 1);
    line.pop_back();
    BOOST_TEST(display_width(line) <= width);
    BOOST_TEST(line.ends_with("…"));
  }
  // Nothing is cut where nobody's terminal bounds it.
  BOOST_TEST(render_table(columns, rows, {}).find(std::string(100, 'x'))
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(colours_appear_only_where_they_are_wanted) {
  BOOST_TEST(coloured("up", hue::green, {true, true, 80})
             == "\x1b[32mup\x1b[0m");
  BOOST_TEST(coloured("up", hue::green, {false, true, 80}) == "up");
  BOOST_TEST(coloured("up", hue::none, {true, true, 80}) == "up");
}

BOOST_AUTO_TEST_SUITE_END()
