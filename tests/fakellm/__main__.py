"""python -m tests.fakellm [--host 127.0.0.1] [--port 0]: prints the URL and serves until it is stopped."""

import argparse
import asyncio
import contextlib
import resource
import signal
import sys

import uvloop

from tests.fakellm.server import serve


async def main(host: str, port: int, until_eof: bool) -> None:
    server = await serve(host, port)
    print(f"http://{host}:{server.sockets[0].getsockname()[1]}", flush=True)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    if until_eof:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stopped.set)  # nothing is ever written there
    await stopped.wait()


def _raise_file_limit() -> None:
    """Each hanging call is an open file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.fakellm", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--until-eof", action="store_true", help="stop when stdin ends, as when the parent was killed")
    options = parser.parse_args()
    _raise_file_limit()
    uvloop.run(main(options.host, options.port, options.until_eof))
