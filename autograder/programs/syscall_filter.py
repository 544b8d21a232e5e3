"""A seccomp filter that denies the system calls that neither apps nor the servers of services need.

Namespaces decide what a process can see, but the kernel is shared. The calls below are those through which sandboxes have
been escaped, and those that access other processes. They fail with EPERM, or with ENOSYS where libraries then fall back to
another call. A process needs no privilege to apply the filter to itself, and its children inherit it.

It supports Linux on x86-64 and 64-bit ARM; elsewhere `program` returns None.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SECCOMP_SYSCALL = {"x86_64": 317, "aarch64": 277}
X32_BIT = 0x40000000  # set in the numbers of x86-64's x32 system calls
SET_MODE_FILTER, FLAG_TSYNC, FLAG_SPEC_ALLOW = 1, 1, 4
PR_SET_NO_NEW_PRIVS = 38

# names, with their numbers on x86-64 and on 64-bit ARM (None where it has none)
DENIED = {
    # namespaces and mounts
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    # the kernel itself
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "syslog": (103, 116),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None),
    "lookup_dcookie": (212, 18), "vhangup": (153, 58), "sethostname": (170, 161), "setdomainname": (171, 162),
    # keys, handles of files, clocks
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264), "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "fanotify_init": (300, 262),
    # attributes of files: a list of users who may access a file takes 64 kB of the system's memory, and counts as no bytes of
    # a folder in memory; what copies files goes on after EPERM
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    # each thread may have filters of its own, which take a megabyte of the system's memory
    "seccomp": (317, 277),
}  # fmt: skip
# io_uring does the work of other calls without passing the filter; programs fall back to those calls. The C library falls
# back from clone3 to clone, whose flags a filter can read.
MISSING = {
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "clone3": (435, 435),
}
# Memory that no process's own limit counts, and that stays when none maps it.  Apps have files of a bounded size for that;
# PostgreSQL needs it.  A set of semaphores takes 2 MB of the kernel's memory, and 32,000 of them may be made; a page of 2 MB
# that `vmsplice` has put into a pipe stays there when its process has given it back; 128 watches of a folder each
# keep 16,000 events that nobody reads, of half a kilobyte; a policy for each mapping doubles what it takes.
UNCOUNTED_MEMORY = {
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186),
    "vmsplice": (278, 75), "io_setup": (206, 0), "landlock_create_ruleset": (444, 444),
    "inotify_init": (253, 26), "inotify_init1": (294, 26), "mbind": (237, 235), "set_mempolicy_home_node": (450, 450),
}  # fmt: skip
# Calls that also set the limits, CPUs or priority of another process of the same user, and the first process of a sandbox is
# one: without a file to open, or a CPU to run on, it can't keep an app to its limits. The value is which arguments must be
# what for a call that is about the caller itself.
ABOUT_ITSELF = {
    "prlimit64": ((302, 261), (0,)), "sched_setaffinity": ((203, 122), (0,)), "sched_setscheduler": ((144, 119), (0,)),
    "sched_setparam": ((142, 118), (0,)), "sched_setattr": ((314, 274), (0,)), "setpriority": ((141, 140), (0, 0)),
    "ioprio_set": ((251, 30), (1, 0)),
}  # fmt: skip
# a name for each mapping takes memory as well
PRCTL, PR_SET_SECCOMP, PR_SET_VMA = (157, 167), 22, 0x53564D41
# Open files are counted once for all threads of a process, so none may have a table of its own.
CLOSE_RANGE, CLOSE_RANGE_UNSHARE = (436, 436), 2
CLONE_FILES, CLONE_THREAD = 0x400, 0x10000
FCNTL, F_SETPIPE_SZ = (72, 25), 1031  # a pipe of 64 kB is enough
CLONE, SOCKET, IOCTL, MMAP = (56, 220), (41, 198), (16, 29), (9, 222)
MAP_SHARED, MAP_ANONYMOUS = 0x01, 0x20
SETSOCKOPT, SOL_SOCKET = (54, 208), 1
BUFFER_SIZES = (7, 8)  # SO_SNDBUF, SO_RCVBUF: memory of the system's, so they stay as they are, without an error
SO_ZEROCOPY = 60  # sends pages that are given back before they are sent
SOCKET_FILTERS = (26, 50, 51)  # SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_CBPF
NEW_NAMESPACES = 0x7E020080  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWTIME
# UNSPEC, UNIX, INET, INET6, NETLINK; a VSOCK or packet socket would bypass a network namespace
FAMILIES = (0, 1, 2, 10, 16)
TERMINAL_IOCTLS = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: they insert input into a terminal

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
# offsets in struct seccomp_data
NUMBER, ARCHITECTURE, FIRST_ARGUMENT, SECOND_ARGUMENT, THIRD_ARGUMENT, FOURTH_ARGUMENT = (0, 4, 16, 24, 32, 40)


def instruction(code: int, value: int, true: int = 0, false: int = 0) -> bytes:
    """Return one instruction of classic BPF; ``true`` and ``false`` say how many to skip after a comparison."""
    return struct.pack("=HBBI", code, true, false, value)


def program(machine: str | None = None, shared_memory: bool = False) -> bytes | None:
    """Return the filter in the format of bubblewrap's ``--seccomp`` and of the kernel; None for an unknown machine.

    With ``shared_memory``, processes may share memory that belongs to no file.
    """
    machine = machine or os.uname().machine
    if not sys.platform.startswith("linux") or machine not in AUDIT_ARCH or sys.maxsize < 1 << 32:
        return None
    column = list(AUDIT_ARCH).index(machine)

    def numbers(table: dict[str, tuple[int, int]] | dict[str, tuple[int, int | None]]) -> list[int]:
        return sorted(number for row in table.values() if (number := row[column]) is not None)

    def refuse(error: int) -> bytes:
        return instruction(RETURN, ERRNO | error)

    words = [
        instruction(LOAD, ARCHITECTURE),
        instruction(JUMP_EQUAL, AUDIT_ARCH[machine], 1, 0),
        instruction(RETURN, KILL),
    ]
    words.append(instruction(LOAD, NUMBER))
    if machine == "x86_64":
        words += [instruction(JUMP_AT_LEAST, X32_BIT, 0, 1), refuse(errno.ENOSYS)]
    for number in numbers(DENIED):
        words += [instruction(JUMP_EQUAL, number, 0, 1), refuse(errno.EPERM)]
    for number in numbers(MISSING if shared_memory else MISSING | UNCOUNTED_MEMORY):
        words += [instruction(JUMP_EQUAL, number, 0, 1), refuse(errno.ENOSYS)]
    if not shared_memory:
        words += [
            instruction(JUMP_EQUAL, MMAP[column], 0, 5),
            instruction(LOAD, FOURTH_ARGUMENT),
            instruction(JUMP_ANY_BIT, MAP_SHARED, 0, 2),
            instruction(JUMP_ANY_BIT, MAP_ANONYMOUS, 0, 1),
            refuse(errno.EPERM),
            instruction(RETURN, ALLOW),
            instruction(JUMP_EQUAL, FCNTL[column], 0, 4),
            instruction(LOAD, SECOND_ARGUMENT),
            instruction(JUMP_EQUAL, F_SETPIPE_SZ, 0, 1),
            refuse(errno.EPERM),
            instruction(RETURN, ALLOW),
        ]
        for row, arguments in ABOUT_ITSELF.values():
            words.append(instruction(JUMP_EQUAL, row[column], 0, 2 * len(arguments) + 2))
            for place, value in enumerate(arguments):
                left = 2 * (len(arguments) - place - 1)
                words += [
                    instruction(LOAD, (FIRST_ARGUMENT, SECOND_ARGUMENT)[place]),
                    instruction(JUMP_EQUAL, value, 0, left + 1),
                ]
            words += [instruction(RETURN, ALLOW), refuse(errno.EPERM)]
    words += [
        instruction(JUMP_EQUAL, PRCTL[column], 0, 5),
        instruction(LOAD, FIRST_ARGUMENT),
        instruction(JUMP_EQUAL, PR_SET_SECCOMP, 1, 0),
        instruction(JUMP_EQUAL, PR_SET_VMA, 0, 1),
        refuse(errno.EPERM),
        instruction(RETURN, ALLOW),
        instruction(JUMP_EQUAL, CLOSE_RANGE[column], 0, 4),
        instruction(LOAD, THIRD_ARGUMENT),
        instruction(JUMP_ANY_BIT, CLOSE_RANGE_UNSHARE, 0, 1),
        refuse(errno.EPERM),
        instruction(RETURN, ALLOW),
    ]
    words += [
        instruction(JUMP_EQUAL, SETSOCKOPT[column], 0, 9 + len(SOCKET_FILTERS)),
        instruction(LOAD, SECOND_ARGUMENT),
        instruction(JUMP_EQUAL, SOL_SOCKET, 0, 6 + len(SOCKET_FILTERS)),
        instruction(LOAD, THIRD_ARGUMENT),
        *(
            instruction(JUMP_EQUAL, number, 3 + left, 0)
            for left, number in reversed(list(enumerate(SOCKET_FILTERS, 1)))
        ),
        instruction(JUMP_EQUAL, SO_ZEROCOPY, 3, 0),
        instruction(JUMP_EQUAL, BUFFER_SIZES[0], 1, 0),
        instruction(JUMP_EQUAL, BUFFER_SIZES[1], 0, 2),
        refuse(0),
        refuse(errno.EPERM),
        instruction(RETURN, ALLOW),
    ]
    words += [
        instruction(JUMP_EQUAL, CLONE[column], 0, 6),
        instruction(LOAD, FIRST_ARGUMENT),
        instruction(JUMP_ANY_BIT, NEW_NAMESPACES, 2, 0),
        instruction(JUMP_ANY_BIT, CLONE_THREAD, 0, 2),
        instruction(JUMP_ANY_BIT, CLONE_FILES, 1, 0),
        refuse(errno.EPERM),
        instruction(RETURN, ALLOW),
    ]
    words += [instruction(JUMP_EQUAL, SOCKET[column], 0, len(FAMILIES) + 3), instruction(LOAD, FIRST_ARGUMENT)]
    for place, family in enumerate(FAMILIES):
        words.append(instruction(JUMP_EQUAL, family, len(FAMILIES) - place, 0))
    words += [refuse(errno.EAFNOSUPPORT), instruction(RETURN, ALLOW)]
    words += [instruction(JUMP_EQUAL, IOCTL[column], 0, len(TERMINAL_IOCTLS) + 3), instruction(LOAD, SECOND_ARGUMENT)]
    for place, request in enumerate(TERMINAL_IOCTLS):
        words.append(instruction(JUMP_EQUAL, request, len(TERMINAL_IOCTLS) - place, 0))
    words += [instruction(RETURN, ALLOW), refuse(errno.EPERM), instruction(RETURN, ALLOW)]
    return b"".join(words)


def apply() -> bool:
    """Filter the system calls of this process, all its threads and all its later children; return True if that was done.

    Without seccomp in the kernel, nothing changes. Raises `OSError` if the kernel refuses the filter.
    """
    code = program()
    if code is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: the number of instructions, and their address
    sock_fprog = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer)))
    call = SECCOMP_SYSCALL[os.uname().machine]
    if libc.syscall(call, SET_MODE_FILTER, FLAG_TSYNC | FLAG_SPEC_ALLOW, sock_fprog) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL):
        return False
    raise OSError(number, f"seccomp: {os.strerror(number)}")
