"""The system call filter: what a call may not ask of the kernel, as a classic BPF program.

A deny list, because the calls that Python and its libraries make change with every release of libc. What it must stop
by itself, where there are no namespaces, is in the second half: there the server shares the jail's process table,
and perhaps its user.
"""

import ctypes
import errno
import os
import struct
from functools import cache

from . import kernel

Syscall = tuple[int | None, int | None]
"""Its numbers on x86_64 and aarch64; None where there is none."""

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32 = 0x40000000

DENIED: dict[str, Syscall] = {
    # programs and processes; `clone` and `clone3` are looked at below
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    # the network; `socket` and `socketpair` are looked at below
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "get_robust_list": (274, 100),
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "open_tree_attr": (467, 467),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # memory that no limit counts, or that outlives the call
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    # large and rarely needed parts of the kernel, where its bugs are
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_setup": (206, 0),
    "io_submit": (209, 2),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "fanotify_init": (300, 262),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    # the machine
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "iopl": (172, None),
    "ioperm": (173, None),
    "vhangup": (153, 58),
    # who one is
    "setuid": (105, 146),
    "setgid": (106, 144),
    "setreuid": (113, 145),
    "setregid": (114, 143),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "setgroups": (116, 159),
    "setfsuid": (122, 151),
    "setfsgid": (123, 152),
    "capset": (126, 91),
}

# Landlock does not look at these. In a mount namespace they meet a read-only file system; without one they would reach
# every file of the user.
DENIED_ON_SHARED_FILES: dict[str, Syscall] = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
}

# Their first argument is a process: 0, or the jail's own.
OWN_PROCESS_ONLY: dict[str, Syscall] = {
    "kill": (62, 129),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
}

# F_SETOWN, F_SETSIG and F_SETOWN_EX name a process that the kernel sends signals to.
_FCNTL_DENIED = (8, 10, 15)
# TIOCSTI, TIOCSETD and TIOCLINUX push input into terminals; FIOSETOWN and SIOCSPGRP are F_SETOWN; FS_IOC_SETFLAGS and
# FS_IOC_FSSETXATTR change files that are open for reading only.
_IOCTL_DENIED = (0x5412, 0x5423, 0x541C, 0x8901, 0x8902, 0x40086602, 0x401C5820)
# PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_MM, PR_SET_CHILD_SUBREAPER, PR_SET_PTRACER
_PRCTL_DENIED = (1, 4, 35, 36, 0x59616D61)

_CLONE: Syscall = (56, 220)
_CLONE3: Syscall = (435, 435)
_SOCKET: Syscall = (41, 198)
_SOCKETPAIR: Syscall = (53, 199)
_CONNECT: Syscall = (42, 203)
_PRCTL: Syscall = (157, 167)
_FCNTL: Syscall = (72, 25)
_IOCTL: Syscall = (16, 29)

_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020000
"""Every namespace that the old `clone` can make; the rest is for `clone3`, which is hidden."""
_AF_UNIX, _AF_INET, _SOCK_STREAM, _SOCK_TYPE, _IPPROTO_TCP = 1, 2, 1, 0xF, 6

_LOAD, _JUMP, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN, _AND = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06, 0x54
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

_INSTRUCTION = struct.Struct("=HBBI")
Program = list[tuple[int, int, int, int]]
"""Instructions: code, jump if true, jump if false, operand."""


def install(own_files: bool, network: bool) -> None:
    """For this process and for good. `own_files`: in a mount namespace; `network`: in one with a proxy's address."""
    encoded = _encoded(os.uname().machine, os.getpid(), own_files, network)
    code = ctypes.create_string_buffer(encoded, len(encoded))
    packed = struct.pack("@HxxxxxxQ", len(encoded) // _INSTRUCTION.size, ctypes.addressof(code))
    pointer = ctypes.create_string_buffer(packed, len(packed))
    kernel.prctl("SECCOMP", kernel.PR_SET_SECCOMP, kernel.SECCOMP_MODE_FILTER, pointer)


def prepare() -> None:
    """Once for all calls that are the first process of their namespace."""
    for network in (False, True):
        _encoded(os.uname().machine, 1, True, network)


@cache
def _encoded(machine: str, own_pid: int, own_files: bool, network: bool) -> bytes:
    return b"".join(_INSTRUCTION.pack(*one) for one in program(machine, own_pid, own_files, network))


def program(machine: str, own_pid: int, own_files: bool, network: bool) -> Program:
    """Each part ends in a decision or leaves the number of the call where it was."""
    column, architecture = _ARCHITECTURES[machine]
    denied = DENIED | ({} if own_files else DENIED_ON_SHARED_FILES) | ({} if network else {"connect": _CONNECT})
    parts = [
        [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), _returning(_KILL), (_LOAD, 0, 0, _NUMBER)],
        [(_AT_LEAST, 0, 1, _X32), _returning(_error(errno.ENOSYS))] if machine == "x86_64" else [],
        *(_when(numbers[column], [_returning(_error(errno.EPERM))]) for numbers in denied.values()),
        _when(_CLONE3[column], [_returning(_error(errno.ENOSYS))]),  # libc then asks `clone`, whose flags we can see
        _when(_CLONE[column], _threads_only()),
        _when(_SOCKET[column], _tcp_only() if network else [_returning(_error(errno.EPERM))]),
        _when(_SOCKETPAIR[column], _stream_pairs_only()),
        *(_when(numbers[column], _only_argument(0, own_pid)) for numbers in OWN_PROCESS_ONLY.values()),
        _when(_PRCTL[column], _argument_not(0, _PRCTL_DENIED)),
        _when(_FCNTL[column], _argument_not(1, _FCNTL_DENIED)),
        _when(_IOCTL[column], _argument_not(1, _IOCTL_DENIED)),
        [_returning(_ALLOW)],
    ]
    return [instruction for part in parts for instruction in part]


def _when(number: int | None, body: Program) -> Program:
    return [] if number is None else [(_EQUAL, 0, len(body), number), *body]


def _returning(value: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, value)


def _error(number: int) -> int:
    return 0x00050000 | number


def _argument(index: int) -> tuple[int, int, int, int]:
    """Its lower half; both architectures are little-endian, and what is looked at here is 32 bits wide."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * index)


def _threads_only() -> Program:
    return [
        _argument(0),
        (_ANY_BIT, 0, 2, _CLONE_THREAD),
        (_ANY_BIT, 1, 0, _CLONE_NEW),
        _returning(_ALLOW),
        _returning(_error(errno.EPERM)),
    ]


def _tcp_only() -> Program:
    """IPv4 streams of TCP itself: MPTCP is another protocol, and Landlock does not see it."""
    return [
        _argument(0),
        (_EQUAL, 0, 6, _AF_INET),
        _argument(1),
        (_AND, 0, 0, _SOCK_TYPE),
        (_EQUAL, 0, 3, _SOCK_STREAM),
        _argument(2),
        (_EQUAL, 2, 0, 0),
        (_EQUAL, 1, 0, _IPPROTO_TCP),
        _returning(_error(errno.EPERM)),
        _returning(_ALLOW),
    ]


def _stream_pairs_only() -> Program:
    """asyncio needs a pair. A pair of datagram sockets could be sent to any address."""
    return [
        _argument(0),
        (_EQUAL, 0, 3, _AF_UNIX),
        _argument(1),
        (_AND, 0, 0, _SOCK_TYPE),
        (_EQUAL, 1, 0, _SOCK_STREAM),
        _returning(_error(errno.EPERM)),
        _returning(_ALLOW),
    ]


def _only_argument(index: int, value: int) -> Program:
    return [
        _argument(index),
        (_EQUAL, 2, 0, 0),
        (_EQUAL, 1, 0, value),
        _returning(_error(errno.EPERM)),
        _returning(_ALLOW),
    ]


def _argument_not(index: int, values: tuple[int, ...]) -> Program:
    checks = [(_EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [_argument(index), *checks, _returning(_ALLOW), _returning(_error(errno.EPERM))]
