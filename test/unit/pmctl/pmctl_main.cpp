#define BOOST_TEST_MODULE pmctl
#include <boost/test/unit_test.hpp>
