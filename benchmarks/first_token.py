"""What the server adds to the time until the first token: the client's wait, less the model's own.

.venv/bin/python -m benchmarks.first_token [--turns 100]
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import httpx2

from benchmarks.capacity import new_agent
from benchmarks.step import machine, serving

TEXT = "!sleep 0.05\n!delay 0.01\n!say One two three four five six seven eight nine ten."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=100)
    turns = parser.parse_args().turns
    print(machine())
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        headers = {"Authorization": f"Bearer {server.key}"}
        with httpx2.Client(base_url=server.web.url, headers=headers, timeout=60) as client:
            agents = [new_agent(client, number) for number in range(8)]
            waits = [first_token(client, agents[number % len(agents)]) for number in range(turns + 8)][8:]
            query = "SELECT first_token_ns / 1e9 FROM agents_step WHERE run_id = %s"
            added = sorted(wait - float(server.sql(query, run_id)[0][0]) for wait, run_id in waits)
    print(f"added to the first token: p50 {added[len(added) // 2] * 1e3:.1f} ms, "
          f"p95 {added[int(len(added) * 0.95)] * 1e3:.1f} ms")  # fmt: skip


def first_token(client: httpx2.Client, agent: str) -> tuple[float, str]:
    """Seconds from sending the request to the first piece of text, and the run."""
    wait, run_id = 0.0, ""
    started = time.perf_counter()
    body = {"input": TEXT, "stream_tokens": True}
    with client.stream("POST", f"/v1/agents/{agent}/messages/stream", json=body) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                event = json.loads(line[6:])
                run_id = event.get("run_id") or run_id
                if event["message_type"] == "assistant_message" and not wait:
                    wait = time.perf_counter() - started
    return wait, run_id


if __name__ == "__main__":
    main()
