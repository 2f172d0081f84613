"""The process that all calls are forked from. It imports what tools import, reads no tool's source, and never writes.

It ends when the server does: its socket then ends, and should some forked process keep that open, its parent changes.
(The kernel's death signal would follow the server's *thread* that started it, and threads end before servers do.)
"""

import asyncio
import base64
import collections
import contextlib
import csv
import dataclasses
import datetime
import decimal
import enum
import gc
import hashlib
import hmac
import html
import http.client
import inspect
import io
import itertools
import json
import linecache
import math
import os
import random
import re
import select
import signal
import socket
import statistics
import string
import sys
import textwrap
import time
import traceback
import types
import typing
import urllib.parse
import urllib.request
import uuid
import zoneinfo

from . import kernel, root, seccomp, warden
from .protocol import Setup, receive, send

IMPORTED_FOR_TOOLS = (
    *(asyncio, base64, collections, contextlib, csv, dataclasses, datetime, decimal, enum, hashlib, hmac, html),
    *(http.client, inspect, io, itertools, json, linecache, math, random, re, statistics, string, textwrap, time),
    *(traceback, types, typing, urllib.parse, urllib.request, uuid, zoneinfo),
)
_LOOKS_AT_ITS_PARENT_EVERY = 2.0
_READY_AT_ONCE = 2
"""Wardens that wait for a job: one makes a single call fast, the second one many at once."""


def main(server: int) -> None:
    """`server`: its process. The socket to it is our standard input."""
    jobs = socket.socket(fileno=0)
    setup = _setup(jobs)
    try:
        proc = _prepare(setup)
    except OSError as error:
        send(jobs, {"failed": str(error)})
        return
    send(jobs, {"ready": True})
    ready: set[int] = set()
    while os.getppid() == server and not _ended(jobs):
        while len(ready) < _READY_AT_ONCE:
            ready.add(_forked(setup, jobs, proc))
        ready -= _used(ready)
    if setup.scratch_parent:
        _clear_up(setup.scratch_parent)


def _clear_up(scratch_parent: str) -> None:
    """The server had no time to. Calls may still be at it for a moment, so this is as much as can be done."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    with contextlib.suppress(OSError):
        root.remove_tree(scratch_parent)


def _forked(setup: Setup, jobs: socket.socket, proc: int) -> int:
    """Makes a warden; returns the pipe that tells when it has taken a job, or has died."""
    reading, writing = os.pipe()
    zygote = os.getpid()
    if os.fork() == 0:
        os.close(reading)
        warden.guard(setup, jobs, writing, proc, zygote)
    os.close(writing)
    return reading


def _used(ready: set[int]) -> set[int]:
    used = set(select.select(ready, (), (), _LOOKS_AT_ITS_PARENT_EVERY)[0])
    for pipe in used:
        os.close(pipe)
    return used


def _ended(jobs: socket.socket) -> bool:
    try:
        return not jobs.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def _setup(jobs: socket.socket) -> Setup:
    values, _ = receive(jobs)
    return Setup(**values | {"readable": tuple(values["readable"])})


def _prepare(setup: Setup) -> int:
    """Returns /proc, open: the wardens need it, and the jail's root has none."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the server
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the wardens
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    if setup.namespaces:
        _leave_the_host(setup, proc)
    if setup.uid is not None and setup.gid is not None:
        os.setgroups([])
        os.setresgid(setup.gid, setup.gid, setup.gid)
        os.setresuid(setup.uid, setup.uid, setup.uid)
    _check_readable(setup)
    kernel.prctl("NO_NEW_PRIVS", kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl("DUMPABLE", kernel.PR_SET_DUMPABLE, 0)
    if setup.seccomp:
        seccomp.prepare()
    gc.freeze()
    return proc


def _check_readable(setup: Setup) -> None:
    for path in setup.readable:
        if not os.access(path, os.R_OK):
            raise PermissionError(
                f"the user {os.getuid()}, whom calls run as, may not read {path}: "
                "start the server as an ordinary user, or with a Python that all users may read"
            )


def _leave_the_host(setup: Setup, proc: int) -> None:
    if setup.uid is None:
        warden.unshare_as_user(kernel.CLONE_NEWNS, proc)
    else:
        kernel.unshare(kernel.CLONE_NEWNS)
    store = (setup.package_store,) if setup.package_store else ()
    root.enter((*setup.readable, *setup.lent.values(), *store))
