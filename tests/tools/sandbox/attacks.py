"""Escapes that are over in one step: each raises OSError in a jail, and returns something where there is none.

They get `outside` (a file of the server), `victim` (a process of the server), `tcp`, `unix` and `abstract` (where the
server listens).
"""

PRELUDE = """
import ctypes, errno, fcntl, os, platform, signal, socket, struct, subprocess, sys
X86 = platform.machine() == "x86_64"
libc = ctypes.CDLL(None, use_errno=True)
def ask(x86, arm, *arguments):
    result = libc.syscall(ctypes.c_long(x86 if X86 else arm), *[
        ctypes.c_long(one) if isinstance(one, int) else one for one in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def tool(outside, victim, tcp, unix, abstract):
"""

FILES = {
    "read a file of the server": "return open(outside).read()",
    "read the environment of the server": "return open(f'/proc/{victim}/environ').read()",
    "read the own environment file": "return open('/proc/self/environ').read()",
    "read /etc/passwd": "return open('/etc/passwd').read()",
    "read through /proc/self/root": "return open('/proc/self/root' + outside).read()",
    "read through the server's root": "return open(f'/proc/{victim}/root/etc/passwd').read()",
    "read through a symbolic link": "os.symlink(outside, 'link'); return open('link').read()",
    "read through a hard link": "os.link(outside, 'hard'); return open('hard').read()",
    "read through ..": "return open('../' * 20 + outside.lstrip('/')).read()",
    "read another tenant's packages": "return open(os.path.dirname(outside) + '/theirs/theirs_package.py').read()",
    "list processes": "return os.listdir('/proc')",
    "list the root": "return os.listdir('/')",
    "list /tmp": "return os.listdir(os.path.dirname(outside))",
    "read the memory of the server": "return open(f'/proc/{victim}/mem', 'rb').read(1)",
    "read the kernel's log": "return ask(103, 116, 3, ctypes.create_string_buffer(4096), 4096)",
    "handle of a file": "return ask(303, 264, -100, outside.encode(), bytes(64), bytes(8), 0)",
    "watch files": "return ask(294, 26, 0)",
}

WRITES = {
    "write a file of the server": "open(outside, 'w').write('x'); return 1",
    "append to a file of the server": "open(outside, 'a').write('x'); return 1",
    "truncate a file of the server": "os.truncate(outside, 0); return 1",
    "truncate by opening": "os.open(outside, os.O_RDONLY | os.O_TRUNC); return 1",
    "make a file beside it": "open(outside + '.new', 'w').close(); return 1",
    "make a folder beside it": "os.mkdir(outside + '.new'); return 1",
    "write through a symbolic link": "os.symlink(outside, 'out'); open('out', 'w').write('x'); return 1",
    "rename out": "open('in', 'w').close(); os.rename('in', outside); return 1",
    "hard link out": "open('in2', 'w').close(); os.link('in2', outside + '.new'); return 1",
    "delete": "os.unlink(outside); return 1",
    "change the mode": "os.chmod(outside, 0o777); return 1",
    "change the time": "os.utime(outside, (1, 1)); return 1",
    "set an attribute": "os.setxattr(outside, 'user.x', b'x'); return 1",
    "change the mode of an open library": "os.fchmod(os.open(os.__file__, os.O_RDONLY), 0o777); return 1",
    "write the standard library": "open(os.__file__, 'a').close(); return 1",
    "write beside the standard library": "open(os.path.dirname(os.__file__) + '/evil.py', 'w').close(); return 1",
    "write site-packages": "open(os.path.dirname(os.__file__) + '/site-packages/evil.pth', 'w').close(); return 1",
    "write /dev/shm": "open('/dev/shm/evil', 'w').close(); return 1",
    "write /tmp": "open('/tmp/perdure-evil', 'w').close(); return 1",
    "make a device": "os.mknod('device', 0o600 | 0o60000, os.makedev(8, 0)); return 1",
    "leave by chroot": "os.mkdir('in3'); os.chroot('in3'); return 1",
}

NETWORK = {
    "TCP": "socket.create_connection(('127.0.0.1', tcp), 2); return 1",
    "TCP over IPv6": "socket.socket(socket.AF_INET6).connect(('::ffff:127.0.0.1', tcp)); return 1",
    "UDP": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', tcp)); return 1",
    "MPTCP": "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect(('127.0.0.1', tcp)); return 1",
    "Unix socket, path": "socket.socket(socket.AF_UNIX).connect(unix); return 1",
    "Unix socket, abstract": "socket.socket(socket.AF_UNIX).connect('\\0' + abstract); return 1",
    "a pair of sockets, connected anew": """
pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
pair[0].connect('\\0' + abstract + '-datagrams')
return 1""",
    "a stream pair, connected anew": """
pair = socket.socketpair()
pair[1].close()
pair[0].connect('\\0' + abstract)
return 1""",
    "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); return 1",
    "packets": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0); return 1",
    "raw IP": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); return 1",
    "vsock": "socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM); return 1",
    "bind and listen": "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); return 1",
    "urllib": "import urllib.request; return urllib.request.urlopen(f'http://127.0.0.1:{tcp}', timeout=2).status",
    "asyncio": "import asyncio; asyncio.run(asyncio.open_connection('127.0.0.1', tcp)); return 1",
}

PROCESSES = {
    "signal the server": "os.kill(victim, signal.SIGTERM); return 1",
    "ask whether the server lives": "os.kill(victim, 0); return 1",
    "signal everybody": "os.kill(-1, signal.SIGWINCH); return 1",
    "signal the group": "os.killpg(os.getpgrp(), signal.SIGWINCH); return 1",
    "signal a thread of the server": "return ask(200, 130, victim, 15)",
    "queue a signal": "return ask(129, 138, victim, 15, bytes(128))",
    "signal through a file's owner": "fcntl.fcntl(1, fcntl.F_SETOWN, victim); return 1",
    "ptrace": "return ask(101, 117, 16, victim, 0, 0)",
    "process_vm_readv": "return ask(310, 270, victim, bytes(16), 1, bytes(16), 1, 0)",
    "pidfd": "return os.pidfd_open(victim)",
    "pidfd_getfd": "return ask(438, 438, 0, 1, 0)",
    "prlimit on the server": "import resource; resource.prlimit(victim, resource.RLIMIT_NOFILE, (0, 0)); return 1",
    "the server's processors": "os.sched_setaffinity(victim, {0}); return 1",
    "the server's priority": "os.setpriority(os.PRIO_PROCESS, victim, 19); return 1",
    "fork": "return os.fork() or os._exit(0)",
    "vfork": "return ask(58, 220, 0x4111, 0, 0, 0, 0)",
    "clone": "return ask(56, 220, 17, 0, 0, 0, 0) or os._exit(0)",
    "clone3": "return ask(435, 435, struct.pack('11Q', 0, 0, 0, 0, 17, *[0] * 6), 88)",
    "run /usr/bin/id": "return subprocess.run(['/usr/bin/id'], capture_output=True).stdout",
    "spawn /usr/bin/id": "return os.posix_spawn('/usr/bin/id', ['id'], {})",
    "become /usr/bin/id": "os.execv('/usr/bin/id', ['id'])",
    "become a setuid program": "os.execv('/usr/bin/su', ['su'])",
    "become a dropped script": """
with open('drop.sh', 'w') as file:
    file.write('#!/bin/sh\\n')
    os.fchmod(file.fileno(), 0o700)
os.execv('./drop.sh', ['drop.sh'])""",
    "become a program in memory": "return ask(319, 279, b'x', 0)",
    "become root": "os.setuid(0); return 1",
    "change groups": "os.setgroups([0]); return 1",
    "leave the session": "os.setsid(); return 1",
}

KERNEL = {
    "user namespace": "return ask(272, 97, 0x10000000)",
    "user namespace by clone": "return ask(56, 220, 0x10010f00, 0, 0, 0, 0)",
    "enter a namespace": "return ask(308, 268, 1, 0)",
    "mount": "return ask(165, 40, b'x', b'.', b'tmpfs', 0, 0)",
    "mount, new interface": "return ask(430, 430, b'tmpfs', 0)",
    "copy a mount": "return ask(428, 428, -100, b'/', 1)",
    "unmount": "return ask(166, 39, b'/', 2)",
    "io_uring": "return ask(425, 425, 1, bytes(256))",
    "asynchronous I/O": "return ask(206, 0, 1, bytes(8))",
    "keyctl": "return ask(250, 219, 0, -3, 1)",
    "add_key": "return ask(248, 217, b'user', b'x', b'x', 1, -3)",
    "bpf": "return ask(321, 280, 0, bytes(128), 128)",
    "perf": "return ask(298, 241, bytes(128), 0, -1, -1, 0)",
    "userfaultfd": "return ask(323, 282, 1)",
    "shared memory": "return ask(29, 194, 0, 4096, 0o1600)",
    "message queue": "return ask(68, 186, 0, 0o1600)",
    "kexec": "return ask(246, 104, 0, 0, 0, 0)",
    "kernel module": "return ask(313, 273, 0, b'', 0)",
    "host name": "socket.sethostname('evil'); return 1",
    "clock": "import time; time.clock_settime(time.CLOCK_REALTIME, time.time()); return 1",
    "push into a terminal": "return fcntl.ioctl(1, 0x5412, b'x')",
    "become dumpable": """
if libc.prctl(4, 1, 0, 0, 0):
    raise OSError(ctypes.get_errno(), 'prctl')
return 1""",
    "outlive the parent": """
if libc.prctl(1, 0, 0, 0, 0):
    raise OSError(ctypes.get_errno(), 'prctl')
return 1""",
    "x32 calls": "return ask(0x40000000 + 41, 198, 2, 1, 0)",
    "regain powers": "return ask(126, 91, struct.pack('=Ii', 0x20080522, 0), b'\\xff' * 24)",
}

ALL = FILES | WRITES | NETWORK | PROCESSES | KERNEL


def source(body: str) -> str:
    return PRELUDE + "".join(f"    {line}\n" for line in body.strip().splitlines())
