// Debian's libcaf is not built for ThreadSanitizer, which therefore does not
// see that a message that was put into a mailbox happens before it is handled:
// everything that actors send each other would be a race. These functions stand
// before the library's own (the dynamic linker takes the program's first) and
// say so; then what is left is a race of ours.
//
//   enqueue      what the sender did before it, comes before it
//   activate     makes the actor's behavior, on the thread that runs it first
//   reactivate   handles one message: after all that was put in, and after the
//                message before it, on whichever thread that was
//   release      the last one of an actor destroys it, after all others

#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <caf/actor_control_block.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/scheduled_actor.hpp>

namespace {

using release_function = void (*)(caf::actor_control_block*);

template <class F>
F library_function(const char* symbol) {
  return reinterpret_cast<F>(::dlsym(RTLD_NEXT, symbol));
}

} // namespace

namespace caf {

void scheduled_actor::enqueue(mailbox_element_ptr what, execution_unit* on) {
  using function =
    void (*)(scheduled_actor*, mailbox_element_ptr, execution_unit*);
  static const auto theirs = library_function<function>(
    "_ZN3caf15scheduled_actor7enqueueESt10unique_ptrINS_15mailbox_elementENS_"
    "6detail8disposerEEPNS_14execution_unitE");
  __tsan_release(this);
  theirs(this, std::move(what), on);
}

bool scheduled_actor::activate(execution_unit* on) {
  using function = bool (*)(scheduled_actor*, execution_unit*);
  static const auto theirs = library_function<function>(
    "_ZN3caf15scheduled_actor8activateEPNS_14execution_unitE");
  __tsan_acquire(this);
  auto result = theirs(this, on);
  __tsan_release(this);
  return result;
}

scheduled_actor::activation_result
scheduled_actor::reactivate(mailbox_element& what) {
  using function = activation_result (*)(scheduled_actor*, mailbox_element&);
  static const auto theirs = library_function<function>(
    "_ZN3caf15scheduled_actor10reactivateERNS_15mailbox_elementE");
  __tsan_acquire(this);
  auto result = theirs(this, what);
  __tsan_release(this);
  return result;
}

void intrusive_ptr_release(actor_control_block* x) {
  static const auto theirs = library_function<release_function>(
    "_ZN3caf21intrusive_ptr_releaseEPNS_19actor_control_blockE");
  __tsan_release(x);
  __tsan_acquire(x);
  theirs(x);
}

void intrusive_ptr_release_weak(actor_control_block* x) {
  static const auto theirs = library_function<release_function>(
    "_ZN3caf26intrusive_ptr_release_weakEPNS_19actor_control_blockE");
  __tsan_release(x);
  __tsan_acquire(x);
  theirs(x);
}

} // namespace caf
