#include <random>

#include "test/fuzz/fuzz_config_entry.hpp"
#include "test/unit/config/config_fixture.hpp"

namespace fs = std::filesystem;
using pm_test::config_fixture;

namespace {

constexpr int rounds = 4000;

// One seed replays all: PM_SEED=N build/.../unit_config -t config_mutation
uint64_t seed() {
  auto* given = std::getenv("PM_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10)
                          : std::random_device{}();
}

std::vector<std::string> all_texts() {
  std::vector<std::string> texts;
  for (auto folder :
       {"/test/unit/config/bad", "/test/unit/config/good", "/conf"})
    for (auto& entry :
         fs::directory_iterator{PM_SOURCE_DIR + std::string{folder}})
      if (entry.path().extension() == ".json"
          && entry.path().filename() != "pm-node.schema.json")
        texts.push_back(config_fixture::read(entry.path().string()));
  return texts;
}

class mutator {
public:
  explicit mutator(uint64_t seed) : random_(seed), texts_(all_texts()) {}

  std::string next() {
    auto text = texts_[below(texts_.size())];
    for (auto n = 1 + below(4); n > 0 && !text.empty(); --n)
      change(text);
    return text;
  }

private:
  size_t below(size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  void change(std::string& text) {
    static constexpr std::string_view tokens[] = {
      "{",  "}",     "[",  "]",  ",",        ":",    "\"", "\\",    "//",
      "/*", "*/",    "$",  "${", "}",        "null", "-",  "1e308", "0",
      "\n", "\\u00", "\0", "'",  "\xc3\x28", "true", "{}", "[]"};
    auto at = below(text.size());
    switch (below(5)) {
    case 0:
      text[at] = static_cast<char>(random_());
      break;
    case 1:
      text.erase(at, 1 + below(12));
      break;
    case 2:
      text.insert(at, tokens[below(std::size(tokens))]);
      break;
    case 3:
      text.insert(at, text, below(text.size()), below(40));
      break;
    default: {
      auto& other = texts_[below(texts_.size())];
      text.insert(at, other, below(other.size()), below(80));
    }
    }
  }

  std::mt19937_64 random_;
  std::vector<std::string> texts_;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(config_mutation, config_fixture)

BOOST_AUTO_TEST_CASE(mutated_configs_are_read_or_refused_with_words) {
  auto start = seed();
  BOOST_TEST_MESSAGE("PM_SEED=" << start);
  mutator mutations{start};
  size_t refused = 0;
  for (int i = 0; i < rounds; ++i) {
    auto text = mutations.next();
    BOOST_TEST_INFO("PM_SEED=" << start << ", round " << i);
    refused += pm::read_any_config(text) > 0 ? 1 : 0;
  }
  BOOST_TEST(refused > 0u);
}

BOOST_AUTO_TEST_SUITE_END()
