"""Functions that the tests call."""

import asyncio
import os
import signal
import sys
import threading
import time


def add(a, b=1):
    return a + b


def shout(words):
    print("out", words)
    print("err", words, file=sys.stderr)
    return words.upper()


def flood(lines):
    for number in range(lines):
        print("line", number)
    return lines


async def nap(seconds):
    await asyncio.sleep(seconds)
    return "slept"


def fail(text):
    raise ValueError(text)


def close_output():
    os.close(1)
    os.close(2)
    return "closed"


def leave(code):
    sys.exit(code)


def not_json():
    return {1, 2, 3}


def nan():
    return float("nan")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def hang():
    time.sleep(1000)


def fork_and_return():
    """The child returns as well: only the parent's result counts."""
    pid = os.fork()
    if pid == 0:
        return "child"
    os.waitpid(pid, 0)
    return "parent"


def leave_a_child():
    if os.fork() == 0:
        time.sleep(1000)
    return os.getpid()


def pid():
    return os.getpid()


def big(size):
    return "x" * size


def garbage(fd_count):
    """Writes nonsense to every descriptor that it should not know of."""
    for fd in range(3, 3 + fd_count):
        try:
            os.write(fd, b"\xff" * 4096)
        except OSError:
            pass
    return "never seen"


def endless_answer():
    """Claims a reply of 1 GiB and sends it."""
    for fd in range(3, 20):
        try:
            os.write(fd, (1 << 30).to_bytes(4, "little") + b"\1\0\0\0r\0\0\0")
            while True:
                os.write(fd, b"x" * 65536)
        except OSError:
            pass
    return "never seen"


def bomb():
    """Forks until it is refused."""
    refused = 0
    for _ in range(2000):
        try:
            if os.fork() == 0:
                time.sleep(1000)
        except BlockingIOError:
            refused += 1
            break
    return refused


def on_term():
    """Says that SIGTERM came as it comes to any program."""
    came = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: came.set())
    print("waiting", flush=True)
    came.wait()
    return "asked to stop"


def environment(name):
    return os.environ.get(name)


def where():
    return os.getcwd()


def stdin():
    return sys.stdin.read()


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def raise_unprintable():
    raise Unprintable()


def raise_half_a_character():
    raise ValueError("half \ud800 of it")


def take_stdout(how):
    import io
    import sys

    if how == "close":
        sys.stdout.close()
    else:
        sys.stdout = io.StringIO()
