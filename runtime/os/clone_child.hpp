#pragma once

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <unistd.h>

// clone3 for children that share our memory until they exec. Such a child runs
// beside a suspended parent thread: it must use its own stack, no lock, no
// allocation, and system calls that keep no state in libc.

namespace pm {

// Clones with `args`, whose stack must be set. The child runs `entry(arg)`,
// which must not return. Returns the child's pid, or -errno. All signals
// should be blocked: a handler must not run in the child.
inline long clone_child(const clone_args& args, void (*entry)(void*),
                        void* arg) noexcept {
#if defined(__x86_64__)
  long result = SYS_clone3;
  asm volatile("syscall\n\t"
               "testq %%rax, %%rax\n\t"
               "jnz 1f\n\t"
               "movq %[arg], %%rdi\n\t"
               "callq *%[entry]\n\t"
               "ud2\n"
               "1:"
               : "+a"(result)
               : "D"(&args),
                 "S"(sizeof(args)), [entry] "r"(entry), [arg] "r"(arg)
               : "rcx", "r11", "cc", "memory");
  return result;
#elif defined(__aarch64__)
  register long number asm("x8") = SYS_clone3;
  register long result asm("x0") = reinterpret_cast<long>(&args);
  register size_t size asm("x1") = sizeof(args);
  asm volatile("svc #0\n\t"
               "cbnz x0, 1f\n\t"
               "mov x0, %[arg]\n\t"
               "blr %[entry]\n\t"
               "brk #1\n"
               "1:"
               : "+r"(result)
               : "r"(number), "r"(size), [entry] "r"(entry), [arg] "r"(arg)
               : "cc", "memory");
  return result;
#else
#  error "clone_child has no code for this processor"
#endif
}

// Blocks every signal in this thread for as long as it lives.
class all_signals_blocked {
public:
  all_signals_blocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old_);
  }

  ~all_signals_blocked() { pthread_sigmask(SIG_SETMASK, &old_, nullptr); }

  all_signals_blocked(const all_signals_blocked&) = delete;
  all_signals_blocked& operator=(const all_signals_blocked&) = delete;

private:
  sigset_t old_{};
};

// A system call whose failure comes as -errno.
template <class... Ts>
long raw_call(long number, Ts... xs) noexcept {
  auto result = ::syscall(number, xs...);
  return result < 0 ? -errno : result;
}

} // namespace pm
