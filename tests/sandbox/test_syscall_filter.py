"""The filter of system calls: what apps need works, what they must not do fails, at every level."""

import json
import os
import subprocess
import sys

import pytest

from autograder import paths
from autograder.programs import syscall_filter

pytestmark = pytest.mark.skipif(syscall_filter.program() is None, reason="there is no filter for this machine")

TRY = """
import ctypes, json, os, platform, socket, subprocess, sys, threading
sys.path.insert(0, sys.argv[1])
import syscall_filter
if sys.argv[2] == "filtered":
    assert syscall_filter.apply()
libc = ctypes.CDLL(None, use_errno=True)
column = list(syscall_filter.AUDIT_ARCH).index(platform.machine())
def call(row, *arguments):
    ctypes.set_errno(0)
    libc.syscall(ctypes.c_long(row[column]), *[ctypes.c_ulong(a) for a in arguments])
    return ctypes.get_errno()
def family(number, kind=socket.SOCK_STREAM):
    try:
        socket.socket(number, kind).close()
        return 0
    except OSError as error:
        return error.errno
# pointers of zero: the system itself refuses with another error than the filter's
seen = {name: call(syscall_filter.DENIED[name], 0, 0, 0, 0, 0) for name in ("mount", "setns", "bpf", "process_vm_readv", "keyctl")}
seen |= {name: call(row, 0, 0, 0) for name, row in syscall_filter.MISSING.items()}
if os.fork() == 0:
    os._exit(call(syscall_filter.CLONE, 0x10000000 | 17, 0, 0, 0, 0))  # a user namespace
seen["clone"] = os.waitstatus_to_exitcode(os.wait()[1])
# filters of its own, which let everything pass, and a table of open files for one thread
import struct
allow = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0x7FFF0000))
filters = ctypes.create_string_buffer(struct.pack("@HP", 1, ctypes.addressof(allow)))
libc.prctl(38, 1, 0, 0, 0)
seen["filter"] = call(syscall_filter.DENIED["seccomp"], 1, 0, ctypes.addressof(filters))
seen["filter by prctl"] = call(syscall_filter.PRCTL, 22, 2, ctypes.addressof(filters))
near, far = socket.socketpair()
try:
    near.setsockopt(1, 26, filters.raw[:16])
    seen["filter of a socket"] = 0
except OSError as error:
    seen["filter of a socket"] = error.errno
near.setsockopt(1, socket.SO_KEEPALIVE, 1)
near.setsockopt(1, socket.SO_REUSEADDR, 1)
seen["files by close_range"] = call(syscall_filter.CLOSE_RANGE, 900, 900, 2)
seen["close_range"] = call(syscall_filter.CLOSE_RANGE, 900, 900, 0)
stack = ctypes.create_string_buffer(1 << 16)
top = ctypes.c_void_p(ctypes.addressof(stack) + (1 << 15) & ~63)
libc.clone.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
flags = 0x100 | 0x800 | 0x10000  # memory and signals are shared
seen["files by clone"] = ctypes.get_errno() if libc.clone(libc.pause, top, flags, None) == -1 else 0
seen["families"] = {str(n): family(n) for n in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, 40)}
thread = threading.Thread(target=lambda: seen.update(thread=True))
thread.start(); thread.join()
seen["program"] = subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, text=True).stdout
print(json.dumps(seen))
"""


def seen(how):
    """What a process sees of the system, "filtered" or "plain"."""
    command = [sys.executable, "-I", "-c", TRY, str(paths.PROGRAMS), how]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_filter_denies_dangerous_calls():
    """The filter denies dangerous system calls and leaves those that apps need."""
    found = seen("filtered")
    assert {
        name: found[name] for name in ("mount", "setns", "bpf", "process_vm_readv", "keyctl", "clone")
    } == dict.fromkeys(("mount", "setns", "bpf", "process_vm_readv", "keyctl", "clone"), 1)
    assert {found[name] for name in syscall_filter.MISSING} == {38}
    assert (
        found["families"] == {"1": 0, "2": 0, str(10): found["families"]["10"], "40": 97}
        and found["families"]["10"] != 97
    )
    assert found["thread"] and found["program"] == "1\n"


FILTERS_AND_FILES = ("filter", "filter by prctl", "filter of a socket", "files by close_range", "files by clone")


def test_filters_and_file_tables_denied():
    """Filters take memory that nothing counts. Open files are counted once for all threads of a process, so none may have its own."""
    found = seen("plain")
    assert [found[name] for name in FILTERS_AND_FILES] == [0] * 5, "a process could have them"
    found = seen("filtered")
    assert [found[name] for name in FILTERS_AND_FILES] == [1] * 5
    assert found["close_range"] == 0


@pytest.mark.parametrize("machine", syscall_filter.AUDIT_ARCH)
def test_filter_program_is_well_formed(machine):
    """The filter consists of whole instructions whose jumps stay inside, and unknown machines get none."""
    code = syscall_filter.program(machine)
    count = len(code) // 8
    assert len(code) % 8 == 0 and count < 4096
    for place in range(count):
        kind, true, false = code[8 * place], code[8 * place + 2], code[8 * place + 3]
        if kind & 7 == 5:
            assert place + 1 + max(true, false) < count
    assert code[-8] == syscall_filter.RETURN
    assert syscall_filter.program("riscv64") is None


def test_apps_are_filtered(tmp_path):
    """At the lowest level with a sandbox: the better ones start apps in the same way."""
    from autograder.sandbox.launcher import Sandbox

    file = tmp_path / "app.py"
    file.write_text("print(open('/proc/self/status').read(), flush=True)\nraise SystemExit\n")
    sandbox = Sandbox("limits")
    try:
        process = sandbox.start(file, {})
        status = process.stderr.read1(100_000).decode()
        process.kill()
        process.wait()
    finally:
        sandbox.close()
    assert "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status, status
    assert os.path.exists("/proc/self/status")
