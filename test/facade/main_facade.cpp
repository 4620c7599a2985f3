#define BOOST_TEST_NO_MAIN
#define BOOST_TEST_ALTERNATIVE_INIT_API
#include <boost/test/unit_test.hpp>

#include <pm/function.hpp>

// This program runs its own functions in processes of their own.
int main(int argc, char** argv) {
  if (auto code = pm::run_worker())
    return *code;
  return boost::unit_test::unit_test_main([] { return true; }, argc, argv);
}
