"""Which files a process may still open: the kernel's Landlock, for good and for all its children."""

import os
import struct
from collections.abc import Iterable

from . import kernel

# Access rights to files, in the order of their bits.
(
    _EXECUTE,
    _WRITE_FILE,
    _READ_FILE,
    _READ_DIR,
    _REMOVE_DIR,
    _REMOVE_FILE,
    _MAKE_CHAR,
    _MAKE_DIR,
    _MAKE_REG,
    _MAKE_SOCK,
    _MAKE_FIFO,
    _MAKE_BLOCK,
    _MAKE_SYM,
    _REFER,
    _TRUNCATE,
    _IOCTL_DEV,
) = (1 << bit for bit in range(16))
_RIGHTS_OF_ABI = {1: 13, 2: 14, 3: 15, 4: 15}
_RIGHTS_NOW = 16

_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
READ = _READ_FILE | _READ_DIR
DEVICE = _READ_FILE | _WRITE_FILE
SCRATCH = (
    READ | _WRITE_FILE | _TRUNCATE | _REFER
    | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_FIFO | _MAKE_SYM
)  # fmt: skip

_NET_BIND, _NET_CONNECT = 1, 2
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2


def install(rules: Iterable[tuple[str, int]], port: int | None) -> None:
    """Leaves the rights of the `rules` (path, rights) and, of the network, TCP connections to `port`."""
    abi = kernel.landlock_abi()
    handled = (1 << _RIGHTS_OF_ABI.get(abi, _RIGHTS_NOW)) - 1
    ruleset = _ruleset(abi, handled)
    try:
        for path, rights in rules:
            _allow_path(ruleset, path, rights & handled)
        if port is not None and abi >= 4:
            port_rule = struct.pack("=QQ", _NET_CONNECT, port)
            kernel.syscall("landlock_add_rule", kernel.LANDLOCK_ADD_RULE, ruleset, _RULE_NET_PORT, port_rule, 0)
        kernel.syscall("landlock_restrict_self", kernel.LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _ruleset(abi: int, handled: int) -> int:
    net = _NET_BIND | _NET_CONNECT if abi >= 4 else 0
    scopes = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if abi >= 6 else 0
    wanted = struct.pack("=QQQ", handled, net, scopes)  # an older kernel takes a longer one if the rest is zero
    return kernel.syscall("landlock_create_ruleset", kernel.LANDLOCK_CREATE_RULESET, wanted, len(wanted), 0)


def _allow_path(ruleset: int, path: str, rights: int) -> None:
    beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):
            rights &= _ON_FILES
        rule = struct.pack("=Qi", rights, beneath)
        kernel.syscall("landlock_add_rule", kernel.LANDLOCK_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(beneath)
