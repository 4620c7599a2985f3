# Runs in the interpreter that calls a Python function: takes calls from
# descriptor 0, and answers them there (call_format.md). CPython 3.8 or later,
# the standard library alone.
import importlib
import json
import os
import stat
import struct
import sys
import traceback
import types

PM_BODY_MAX = 16 << 20
PM_HEAD = struct.Struct("<IIc3x")


class PmChannel:
    """What was descriptor 0, out of the function's way."""

    def __init__(self):
        self.fd = os.dup(0)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        self.is_file = stat.S_ISREG(os.fstat(self.fd).st_mode)

    def read(self, size):
        chunks = []
        while size > 0:
            chunk = os.read(self.fd, min(size, 1 << 20))
            if not chunk:
                return None
            chunks.append(chunk)
            size -= len(chunk)
        return b"".join(chunks)

    def write(self, number, kind, text):
        body = text.encode()
        rest = memoryview(PM_HEAD.pack(len(body), number, kind) + body)
        while rest:
            rest = rest[os.write(self.fd, rest) :]


def pm_text(make):
    """What `make` gives, as a text that is UTF-8, whatever the exception is."""
    try:
        return str(make()).encode("utf-8", "replace").decode()
    except BaseException as error:
        return "(it cannot be printed: %s)" % type(error).__qualname__


def pm_failure(error):
    """The exception as JSON, without the frames of this file above it."""
    trace = error.__traceback__
    for _ in range(2):
        trace = trace.tb_next if trace is not None else None
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = kind.__module__ + "." + name
    lines = lambda: "".join(traceback.format_exception(kind, error, trace))
    return {
        "type": pm_text(lambda: name),
        "message": pm_text(lambda: error)[:65536],
        "traceback": pm_text(lines)[-262144:],
    }


def pm_find(name):
    module_name, _, path = name.partition(":")
    if not module_name or not path:
        raise ValueError("'%s' is not of the form module:function" % name)
    found = importlib.import_module(module_name)
    for part in path.split("."):
        if not hasattr(found, part):
            raise AttributeError(
                "module '%s' has no function '%s'" % (module_name, path)
            )
        found = getattr(found, part)
    if not callable(found):
        raise TypeError("'%s' cannot be called: it is %r" % (name, found))
    return found


def pm_invoke(call):
    for path in reversed(call.get("python_path") or []):
        if path not in sys.path:
            sys.path.insert(0, path)
    sys.argv = [call["function"]]
    function = pm_find(call["function"])
    result = function(*(call.get("args") or []), **(call.get("kwargs") or {}))
    if isinstance(result, types.CoroutineType):
        import asyncio

        result = asyncio.run(result)
    return result


def pm_encode(result):
    try:
        text = json.dumps(result, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError("the result is not JSON: %s" % error) from None
    if len(text) > PM_BODY_MAX:
        raise ValueError(
            "the result has %d bytes as JSON, more than %d"
            % (len(text), PM_BODY_MAX)
        )
    return text


def pm_flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass


def pm_streams(streams):
    """A call that takes the place of a stream, or closes it, does so for itself
    alone. What it has closed for good goes nowhere from then on."""
    for number, (name, stream) in enumerate(streams.items(), 1):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)
        if stream is None or stream.closed:
            stream = open(number, "w", buffering=1, closefd=False)
            streams[name] = stream
        setattr(sys, name, stream)


def pm_answer(body, is_alone):
    """Makes the call: the kind and text of the answer, and an exit code."""
    try:
        return b"r", pm_encode(pm_invoke(json.loads(body))), 0
    except SystemExit as error:
        if error.code is None or error.code == 0:
            return b"r", "null", 0
        if isinstance(error.code, int):
            return b"e", json.dumps(pm_failure(error)), error.code
        print(error.code, file=sys.stderr)
        return b"e", json.dumps(pm_failure(error)), 1
    except BaseException as error:
        failure = pm_failure(error)
        if is_alone:
            sys.stderr.write(failure["traceback"])
        return b"e", json.dumps(failure), 1


def pm_serve():
    channel = PmChannel()
    me = os.getpid()
    sys.stdout.reconfigure(line_buffering=True)
    streams = {"stdout": sys.stdout, "stderr": sys.stderr}
    while True:
        head = channel.read(PM_HEAD.size)
        if head is None:
            return 0
        size, number, _ = PM_HEAD.unpack(head)
        body = channel.read(size)
        if body is None:
            return 0
        kind, text, code = pm_answer(body, channel.is_file)
        pm_flush()
        pm_streams(streams)
        if os.getpid() != me:
            os._exit(code)  # a fork that came back: the call is its parent's
        channel.write(number, kind, text)
        if channel.is_file:
            os.close(channel.fd)
            return code


sys.exit(pm_serve())
