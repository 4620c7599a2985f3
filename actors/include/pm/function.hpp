#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <pm/json_fields.hpp>

// C++ functions that run in a process of their own. Arguments and results are
// what JSON can say: numbers, bool, strings, vectors, maps by string,
// optionals, enums of PM_ENUM, and structs with a field list (<pm/fields.hpp>).
// A last parameter of type std::stop_token is not an argument: it tells of a
// stop (SIGTERM). What a function throws comes back as its type and text.
//
// Needs no actor system: programs and plugins that only offer functions link
// `pm::pm_functions`.

namespace pm {

// Calls a function: takes its arguments as a JSON array, gives its result as
// JSON, throws what the function throws.
using function_body =
  std::function<std::string(std::string_view args, std::stop_token stopped)>;

struct function_entry {
  function_body call;
  bool takes_stop = true;       // else SIGTERM ends its process as usual
  const void* symbol = nullptr; // null: it was given its name
  bool is_alias = false;
};

// Functions by name. Fill it before it is used; reading it is thread-safe.
class function_table {
public:
  // The functions of this program.
  static function_table& global();

  // Adds `fn` under `name`, in place of one that had it.
  template <class F>
  void add(std::string name, F fn);

  void add_body(std::string name, function_body body, bool takes_stop = true);

  // Adds a function under the name that its source has for it, and under
  // `full`, which tells overloads apart. A name that several functions have
  // calls none of them: it is an error that says so.
  bool add_symbol(const std::string& name, const std::string& full,
                  const function_entry& what);

  // Of the two names, the one that means the function `symbol`.
  const std::string& name_of(const std::string& name, const std::string& full,
                             const void* symbol) const;

  // The function of this name; null: there is none.
  const function_entry* find(std::string_view name) const;

  // All names in order, with commas; for error texts.
  std::string names() const;

private:
  std::map<std::string, function_entry, std::less<>> bodies_;
};

// Registers a function of this program by a name of its own. At file scope:
//   const auto resize_registered = pm::register_function("resize", resize);
template <class F>
bool register_function(std::string name, F fn) {
  function_table::global().add(std::move(name), std::move(fn));
  return true;
}

// What a plugin library defines: it adds its functions to the worker's table.
//   extern "C" void pm_plugin(pm::function_table& to) { to.add("f", f); }
using plugin_entry = void (*)(function_table&);
constexpr char plugin_entry_name[] = "pm_plugin";

// The first line of `main` in a program that runs its own functions in
// processes of their own: those processes are the program itself, started
// again. Gives the exit code if this is one (the call is done), else none.
//
//   if (auto code = pm::run_worker()) return *code;
//
// Must be called before threads are started.
std::optional<int> run_worker();

namespace functions {

// Names the variable that makes a process a worker.
constexpr char worker_variable[] = "PM_WORKER";

template <class F>
struct signature : signature<decltype(&F::operator())> {};

template <class R, class... Ts>
struct signature<R (*)(Ts...)> {
  using result = R;
  using all = std::tuple<std::decay_t<Ts>...>;
};

template <class R, class... Ts>
struct signature<R (*)(Ts...) noexcept> : signature<R (*)(Ts...)> {};

template <class C, class R, class... Ts>
struct signature<R (C::*)(Ts...) const> : signature<R (*)(Ts...)> {};

template <class C, class R, class... Ts>
struct signature<R (C::*)(Ts...)> : signature<R (*)(Ts...)> {};

template <class Tuple>
constexpr bool takes_stop() {
  constexpr auto n = std::tuple_size_v<Tuple>;
  if constexpr (n == 0)
    return false;
  else
    return std::is_same_v<std::tuple_element_t<n - 1, Tuple>, std::stop_token>;
}

template <class F>
constexpr size_t argument_count =
  std::tuple_size_v<typename signature<
    F>::all> - (takes_stop<typename signature<F>::all>() ? 1 : 0);

// Parses `args` into an array of `count` values. Throws std::invalid_argument.
void parse_arguments(rapidjson::Document& to, std::string_view args,
                     size_t count);

template <class T>
void read_argument(const json::value& in, T& x, size_t index) {
  if (auto ok = json::read(in, x, json::place{json::place{"args"}, index}); !ok)
    throw std::invalid_argument{ok.error().text};
}

template <class T>
std::string to_text(const T& x) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  json::write(out, x);
  return {buffer.GetString(), buffer.GetSize()};
}

template <class... Ts>
std::string arguments_text(const Ts&... xs) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  out.StartArray();
  (json::write(out, xs), ...);
  out.EndArray();
  return {buffer.GetString(), buffer.GetSize()};
}

template <class F>
std::string call(F& fn, std::string_view args, std::stop_token stopped) {
  using types = typename signature<F>::all;
  constexpr auto count = argument_count<F>;
  rapidjson::Document values;
  parse_arguments(values, args, count);
  types xs;
  [&]<size_t... Is>(std::index_sequence<Is...>) {
    (read_argument(values[static_cast<rapidjson::SizeType>(Is)],
                   std::get<Is>(xs), Is),
     ...);
  }
  (std::make_index_sequence<count>{});
  if constexpr (count < std::tuple_size_v<types>)
    std::get<count>(xs) = std::move(stopped);
  if constexpr (std::is_void_v<typename signature<F>::result>) {
    std::apply(fn, std::move(xs));
    return "null";
  } else {
    return to_text(std::apply(fn, std::move(xs)));
  }
}

template <auto Fn, class... Ts>
constexpr void check_arguments() {
  static_assert(sizeof...(Ts) == argument_count<std::decay_t<decltype(Fn)>>,
                "as many arguments as the function takes");
}

template <class F>
function_body body_of(F fn) {
  return [fn = std::move(fn)](std::string_view args,
                              std::stop_token stopped) mutable {
    return call(fn, args, std::move(stopped));
  };
}

template <class F>
constexpr bool takes_stop_of = takes_stop<typename signature<F>::all>();

// The name that the compiler has for a function: overloads share it.
template <auto Fn>
std::string source_name() {
  std::string_view text{__PRETTY_FUNCTION__};
  text.remove_prefix(text.find("Fn = ") + 5);
  text = text.substr(0, text.find_first_of(";]"));
  while (!text.empty() && (text.front() == '&' || text.front() == '('))
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ')')
    text.remove_suffix(1);
  return std::string{text};
}

// Registers `Fn` before `main`, by being named.
template <auto Fn>
struct by_symbol {
  static std::string full_name() {
    return source_name<Fn>() + ":" + typeid(by_symbol).name();
  }

  // For after `main` has begun: all functions are registered.
  static const std::string& name() {
    (void)is_registered;
    static const auto result =
      function_table::global().name_of(source_name<Fn>(), full_name(), &tag);
    return result;
  }

  static inline const char tag = 0; // its place stands for `Fn`
  static inline const bool is_registered = function_table::global().add_symbol(
    source_name<Fn>(), full_name(),
    {body_of(Fn), takes_stop_of<std::decay_t<decltype(Fn)>>, &tag, false});
};

} // namespace functions

template <class F>
void function_table::add(std::string name, F fn) {
  add_body(std::move(name), functions::body_of(std::move(fn)),
           functions::takes_stop_of<F>);
}

} // namespace pm
