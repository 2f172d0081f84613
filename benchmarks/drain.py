"""A flood: many runs, queued over many conversations before any worker was there, and how fairly they drain.

    .venv/bin/python -m benchmarks.drain [--runs 10000] [--conversations 1000]

Nobody is told of them (as when Redis was flushed), so the sweep finds them all. Prints its query's plan and time, too.
"""

import argparse
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from benchmarks.capacity import new_agent
from benchmarks.step import TURNS, machine, serving
from tests.live.server import Server
from workers.sweep import BATCH, SWEEP

QUEUE = """
INSERT INTO agents_run (id, organization_id, agent_id, conversation_id, seq, kind, background, status, input, options,
                        fingerprint, steps_done, claims, deadline_at, created_at)
SELECT 'run-' || gen_random_uuid(), lane.organization_id, lane.agent_id, lane.id, number, 'send_message_async', true,
       'queued', jsonb_build_array(jsonb_build_object('id', 'message-' || gen_random_uuid(), 'role', 'user',
                                                      'content', %s::text)),
       '{}', '', 0, 0, clock_timestamp() + interval '1 hour', clock_timestamp()
  FROM agents_conversation AS lane, generate_series(1, %s) AS number WHERE lane.agent_id = ANY(%s)
"""

READY = """
UPDATE agents_inbox SET ready_at = clock_timestamp(), next_run_seq = %s
 WHERE conversation_id IN (SELECT id FROM agents_conversation WHERE agent_id = ANY(%s))
"""

WAITS = """
SELECT extract(epoch FROM min(started_at)) AS first, extract(epoch FROM max(completed_at)) AS last
  FROM agents_run GROUP BY conversation_id
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--conversations", type=int, default=1_000)
    chosen = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), slots=200, workers=0) as server:
        queue(server, chosen.runs // chosen.conversations, chosen.conversations)
        plan(server)
        measure(server, chosen.runs)


def queue(server: Server, each: int, conversations: int) -> None:
    headers = {"Authorization": f"Bearer {server.key}"}
    with httpx2.Client(base_url=server.web.url, headers=headers, timeout=60) as client, ThreadPoolExecutor(8) as pool:
        agents = list(pool.map(lambda number: new_agent(client, number), range(conversations)))
    server.connection.execute(QUEUE, [TURNS["plain"], each, agents])
    server.connection.execute(READY, [each + 1, agents])
    server.connection.execute("ANALYZE")


def plan(server: Server) -> None:
    with server.connection.transaction(force_rollback=True):
        lines = [row[0] for row in server.sql(f"EXPLAIN ANALYZE {SWEEP}", 5, BATCH)]
    scans = [line.strip() for line in lines if "Scan" in line]
    print("sweep:", lines[-1].strip(), *scans, sep="\n  ")


def measure(server: Server, runs: int) -> None:
    started, began = time.time(), time.monotonic()
    server.add_worker()
    while left := server.sql("SELECT count(*) FROM agents_run WHERE completed_at IS NULL")[0][0]:
        print(f"\r{left} to go   ", end="", flush=True)
        time.sleep(1)
    elapsed = time.monotonic() - began
    completed = server.sql("SELECT count(*) FROM agents_run WHERE status = 'completed'")[0][0]
    waits = server.sql(WAITS)
    first = sorted(float(row[0]) - started for row in waits)
    last = sorted(float(row[1]) - started for row in waits)
    print(f"\r{completed} of {runs} completed in {elapsed:.0f} s, {runs / elapsed:.0f} a second")
    for name, times in (("first run begun", first), ("last run done", last)):
        print(f"  {name}: p50 {statistics.median(times):.1f} s, p99 {times[int(len(times) * 0.99)]:.1f} s")


if __name__ == "__main__":
    main()
