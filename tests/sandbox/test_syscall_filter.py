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
