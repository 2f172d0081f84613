"""x"""
import json, asyncio, time, subprocess
from websockets.asyncio.client import connect
from tests.live import Server
from tests.faults.test_slow_readers import small_socket, LARGE, memory
async def test_x(server):
    server.llm.script(match="At length.", text="x" * LARGE, chars=65_536, repeat=8)
    agent = server.agent()
    runs = [server.send(agent, "At length.") for _ in range(8)]
    for run in runs: server.await_end(run)
    head = {"Authorization": f"Bearer {server.key}"}
    print(memory(server))
    async with connect(f"{server.web.url.replace('http','ws')}/v1/agents/{agent}/ws", additional_headers=head, proxy=None, max_queue=1, max_size=None, compression=None, sock=small_socket(server.web.port)) as deaf:
        for run in runs:
            await deaf.send(json.dumps({"type": "subscribe", "run_id": run}))
        for i in range(13):
            await asyncio.sleep(1)
        print(memory(server))
        print(subprocess.run(["bash","-c",f"cat /proc/net/tcp | grep -i :{server.web.port:04X} | grep ' 01 '"],capture_output=True,text=True).stdout)
        print(server.web.log.read_text()[-3000:])
        n=0
        try:
            while True:
                m = await asyncio.wait_for(deaf.recv(), 3); n+=1; print(len(m), m[:80])
        except BaseException as e: print(repr(e), n)
    assert 0
