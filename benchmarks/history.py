"""How the cost of a step grows with what an agent has behind it: 10, 100, 1,000 and 5,000 messages.

    .venv/bin/python -m benchmarks.history [--turns 60]

The agents' window is 8,000 tokens, so that what does not fit is in recall memory, as with any long life.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import httpx2

from benchmarks.step import TURNS, Turn, cpu, machine, serving, take
from tests.live.server import MODEL, Server

LENGTHS = (10, 50, 100, 1_000, 5_000)
WINDOW = 8_000

BLOCK = 10  # turns with one agent before it is another's, so that the machine's moods meet all alike

FILL = """
INSERT INTO agents_message (id, organization_id, agent_id, conversation_id, seq, role, call_index, content, text,
                            created_at)
SELECT 'message-' || gen_random_uuid(), lane.organization_id, lane.agent_id, lane.id, number + 1,
       CASE WHEN number %% 2 = 1 THEN 'user' ELSE 'assistant' END, 0,
       CASE WHEN number %% 2 = 1 THEN jsonb_build_object('content', said)
            ELSE jsonb_build_object('text', said, 'reasoning', '[]'::jsonb, 'calls', '[]'::jsonb) END,
       said, now()
  FROM agents_conversation AS lane, generate_series(1, %s) AS number,
       LATERAL (SELECT 'message ' || number || ' about lamps, tea and the weather of the day' AS said) AS words
 WHERE lane.agent_id = %s
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=60)
    turns = parser.parse_args().turns
    print(machine())
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        headers = {"Authorization": f"Bearer {server.key}"}
        with httpx2.Client(base_url=server.web.url, headers=headers) as client:
            agents = {length: aged(server, length) for length in LENGTHS}
            for agent in agents.values():
                take(server, client, [agent], TURNS["plain"], 3, 1)
            taken: dict[int, list[Turn]] = {length: [] for length in LENGTHS}
            used = dict.fromkeys(LENGTHS, 0.0)
            for _ in range(turns // BLOCK):
                for length, agent in agents.items():
                    before = cpu(server.workers[0])
                    taken[length] += take(server, client, [agent], TURNS["plain"], BLOCK, 1)
                    used[length] += cpu(server.workers[0]) - before
    for length, these in taken.items():
        overhead = statistics.median(turn.overhead for turn in these)
        cost = used[length] / len(these)
        print(f"{length:5} messages: overhead p50 {overhead * 1e3:.1f} ms, worker CPU {cost * 1e3:.1f} ms per step")


def aged(server: Server, length: int) -> str:
    """An agent with so many messages behind it."""
    agent = server.agent(model=MODEL, include_base_tools=False, context_window_limit=WINDOW)
    with server.connection.cursor() as cursor:
        cursor.execute(FILL, [length, agent])
        cursor.execute("UPDATE agents_conversation SET next_seq = %s WHERE agent_id = %s", [length + 2, agent])
    return agent


if __name__ == "__main__":
    main()
