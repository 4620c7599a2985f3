// A plugin library: functions that pm-node runs in processes of their own.
//
//   pmctl run --function ./libthumbs_plugin.so:scale --args '[800, 600, 200]'

#include <stdexcept>
#include <string>

#include <pm/function.hpp>

namespace {

struct size {
  int width = 0;
  int height = 0;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(pm::field("width", x.width), pm::field("height", x.height));
  }
};

// The size that fits into a square with sides of `side`.
size scale(int width, int height, int side) {
  if (width <= 0 || height <= 0 || side <= 0)
    throw std::invalid_argument{"sizes are above 0"};
  auto larger = width > height ? width : height;
  return {width * side / larger, height * side / larger};
}

} // namespace

extern "C" void pm_plugin(pm::function_table& to) {
  to.add("scale", scale);
}
