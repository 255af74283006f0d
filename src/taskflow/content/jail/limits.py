"""Give up everything that rendering does not need. Nothing here can be taken back by the process."""

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_MODE_FILTER: Final = 2
_NOBODY: Final = 65534

# Classic BPF: load a word of `struct seccomp_data`, jump if equal, return.
_BPF_LOAD, _BPF_JUMP_EQUAL, _BPF_JUMP_GREATER_EQUAL, _BPF_RETURN = 0x20, 0x15, 0x35, 0x06
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000  # REFUSE is EPERM
_X32_BIT: Final = 0x40000000

# The numbers of each call on x86_64 and aarch64.
_ALLOWED: Final[dict[str, tuple[int, int]]] = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "readv": (19, 65),
    "writev": (20, 66),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "getpid": (39, 172),
    "setitimer": (38, 103),
    "exit": (60, 93),
    "getrusage": (98, 165),
    "getppid": (110, 173),
    "futex": (202, 98),
    "clock_gettime": (228, 113),
    "exit_group": (231, 94),
    "sched_yield": (24, 124),
    "getrandom": (318, 278),
    "gettid": (186, 178),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "gettimeofday": (96, 169),
    "membarrier": (324, 283),
    "rseq": (334, 293),
    "set_robust_list": (273, 99),
    "setrlimit": (160, 164),
    "getrlimit": (97, 163),
}
_PRLIMIT64: Final = (302, 261)  # only for the process itself (pid 0), never for its parent
_AUDIT_ARCHITECTURES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, kernel's name


def enter(memory_bytes: int, parent: int) -> None:
    """Lock this process up: memory, files, processes, privileges, system calls; it dies with `parent`."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    linux = sys.platform == "linux"
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):  # a container's root may lack the right to change; the rest still holds
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    if linux:
        # after the change of user, which clears it
        _prctl(libc, _PR_SET_PDEATHSIG, signal.SIGKILL)
        _prctl(libc, _PR_SET_DUMPABLE, 0)
        _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
    if os.getppid() != parent:
        os._exit(0)  # the parent died before PDEATHSIG was set
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # what is open stays usable, nothing more can be opened
    if linux and platform.machine() in _AUDIT_ARCHITECTURES:
        _filter_system_calls(libc, *_AUDIT_ARCHITECTURES[platform.machine()])


def _prctl(libc: ctypes.CDLL, option: int, value: int) -> None:
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def _filter_system_calls(libc: ctypes.CDLL, column: int, architecture: int) -> None:
    """Let only memory, time, signals and reading and writing open descriptors through; the rest gets EPERM."""
    allowed = [numbers[column] for numbers in _ALLOWED.values()]
    program = [
        (_BPF_LOAD, 0, 0, _OFFSET_ARCHITECTURE),
        (_BPF_JUMP_EQUAL, 1, 0, architecture),
        (_BPF_RETURN, 0, 0, _KILL),
        (_BPF_LOAD, 0, 0, _OFFSET_NUMBER),
        (_BPF_JUMP_EQUAL, 0, 2, _PRLIMIT64[column]),
        (_BPF_LOAD, 0, 0, _OFFSET_FIRST_ARGUMENT),
        (_BPF_JUMP_EQUAL, len(allowed) + 2, len(allowed) + 1, 0),
        (_BPF_JUMP_GREATER_EQUAL, len(allowed), 0, _X32_BIT),
        *((_BPF_JUMP_EQUAL, len(allowed) - place, 0, number) for place, number in enumerate(allowed)),
        (_BPF_RETURN, 0, 0, _REFUSE),
        (_BPF_RETURN, 0, 0, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    head = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    head_buffer = ctypes.create_string_buffer(head)
    result = libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_void_p(ctypes.addressof(head_buffer)), 0, 0)
    if result != 0 and ctypes.get_errno() != 22:  # EINVAL: a kernel without seccomp filters
        raise OSError(ctypes.get_errno(), "the system call filter was refused")
