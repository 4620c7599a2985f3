#include <array>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <pm/cron.hpp>

namespace pm {

namespace {

constexpr std::string_view month_names[] = {"jan", "feb", "mar", "apr",
                                            "may", "jun", "jul", "aug",
                                            "sep", "oct", "nov", "dec"};
constexpr std::string_view weekday_names[] = {"sun", "mon", "tue", "wed",
                                              "thu", "fri", "sat"};

struct nickname {
  std::string_view name, means;
};

constexpr nickname nicknames[] = {
  {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},
  {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
  {"@monthly", "0 0 1 * *"},  {"@yearly", "0 0 1 1 *"},
  {"@annually", "0 0 1 1 *"},
};

struct field_rule {
  std::string_view name;
  int least, most;
  std::span<const std::string_view> names; // the first one is `least`
};

constexpr field_rule rules[] = {
  {"minute", 0, 59, {}},
  {"hour", 0, 23, {}},
  {"day of the month", 1, 31, {}},
  {"month", 1, 12, month_names},
  {"day of the week", 0, 7, weekday_names},
};

std::string lower(std::string_view text) {
  std::string result;
  for (auto c : text)
    result += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> result;
  for (;;) {
    auto end = text.find(by);
    result.push_back(text.substr(0, end));
    if (end == text.npos)
      return result;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> result;
  for (;;) {
    auto begin = text.find_first_not_of(" \t");
    if (begin == text.npos)
      return result;
    text.remove_prefix(begin);
    auto end = text.find_first_of(" \t");
    result.push_back(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), result.back().size()));
  }
}

std::optional<int> read_number(std::string_view text) {
  int result = 0;
  auto [end, ec] =
    std::from_chars(text.data(), text.data() + text.size(), result);
  if (ec != std::errc{} || end != text.data() + text.size() || text.empty())
    return std::nullopt;
  return result;
}

expected<int> read_value(std::string_view text, const field_rule& rule) {
  for (size_t i = 0; i < rule.names.size(); ++i)
    if (lower(text) == rule.names[i])
      return rule.least + static_cast<int>(i);
  auto number = read_number(text);
  if (!number || *number < rule.least || *number > rule.most)
    return fail(ec::invalid_argument,
                "cron: the {} is '{}'; it must be {} to {}{}", rule.name, text,
                rule.least, rule.most,
                rule.names.empty()
                  ? ""
                  : fmt::format(" or a name such as '{}'", rule.names[0]));
  return *number;
}

// One element of a list: "*", "5", "1-5", "*/10", "1-31/2".
expected<void> read_element(std::string_view text, const field_rule& rule,
                            uint64_t& to) {
  auto slash = text.find('/');
  int step = 1;
  if (slash != text.npos) {
    auto number = read_number(text.substr(slash + 1));
    if (!number || *number < 1 || *number > rule.most)
      return fail(ec::invalid_argument,
                  "cron: the step '{}' of the {} must be 1 to {}",
                  text.substr(slash + 1), rule.name, rule.most);
    step = *number;
  }
  auto range = text.substr(0, slash);
  auto first = rule.least;
  auto last = rule.most;
  if (range != "*") {
    auto dash = range.find('-');
    auto low = read_value(range.substr(0, dash), rule);
    if (!low)
      return tl::unexpected(low.error());
    first = last = *low;
    if (dash != range.npos) {
      auto high = read_value(range.substr(dash + 1), rule);
      if (!high)
        return tl::unexpected(high.error());
      last = *high;
    } else if (slash != text.npos) {
      return fail(ec::invalid_argument,
                  "cron: '{}' of the {} has a step and no range; write "
                  "'{}-{}/{}'",
                  text, rule.name, first, rule.most, step);
    }
  }
  if (first > last)
    return fail(ec::invalid_argument,
                "cron: the range '{}' of the {} ends before it begins", range,
                rule.name);
  for (auto value = first; value <= last; value += step)
    to |= uint64_t{1} << value;
  return {};
}

expected<uint64_t> read_field(std::string_view text, const field_rule& rule) {
  uint64_t result = 0;
  for (auto element : split(text, ','))
    if (auto ok = read_element(element, rule, result); !ok)
      return tl::unexpected(ok.error());
  return result;
}

} // namespace

expected<cron_expression> cron_expression::parse(std::string_view text) {
  auto words = words_of(text);
  if (words.size() == 1)
    for (auto& known : nicknames)
      if (lower(words[0]) == known.name)
        words = words_of(known.means);
  if (words.size() != std::size(rules))
    return fail(ec::invalid_argument,
                "cron: '{}' has {} fields; it needs five (minute, hour, day of "
                "the month, month, day of the week), or is one of @hourly, "
                "@daily, @weekly, @monthly, @yearly",
                text, words.size());
  std::array<uint64_t, std::size(rules)> sets{};
  for (size_t i = 0; i < sets.size(); ++i) {
    auto set = read_field(words[i], rules[i]);
    if (!set)
      return tl::unexpected(set.error());
    sets[i] = *set;
  }
  if ((sets[4] >> 7 & 1) != 0)
    sets[4] = (sets[4] | 1) & 0x7f; // 7 is Sunday too
  cron_expression result;
  result.minutes_ = sets[0];
  result.hours_ = sets[1];
  result.days_ = sets[2];
  result.months_ = sets[3];
  result.weekdays_ = sets[4];
  result.is_fixed_ = words[1].front() != '*';
  result.any_day_ = words[2].front() == '*';
  result.any_weekday_ = words[4].front() == '*';
  constexpr int longest[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  auto comes = !result.any_weekday_;
  for (int month = 1; month <= 12; ++month)
    for (int day = 1; day <= longest[month - 1]; ++day)
      comes = comes || (result.months_[at(month)] && result.days_[at(day)]);
  if (!comes)
    return fail(ec::invalid_argument, "cron: no day ever matches '{}'", text);
  return result;
}

bool cron_expression::has_day(int month, int day, int weekday) const {
  if (!months_[at(month)])
    return false;
  auto by_date = days_[at(day)];
  auto by_weekday = weekdays_[at(weekday)];
  return any_day_ || any_weekday_ ? by_date && by_weekday
                                  : by_date || by_weekday;
}

} // namespace pm
