#include "actors/functions/exception_type.hpp"

#include <cstdlib>
#include <cxxabi.h>
#include <typeinfo>

namespace pm {

std::string type_of_exception() {
  auto* type = abi::__cxa_current_exception_type();
  if (type == nullptr)
    return "unknown";
  int status = 0;
  auto* name = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
  std::string result = status == 0 ? name : type->name();
  std::free(name);
  return result;
}

} // namespace pm
