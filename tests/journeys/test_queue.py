"""One conversation, many messages: their order, their repeats, and taking them back."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import letta_client
import pytest

from tests.live import Server, wait_until


def test_many_at_once_are_answered_one_after_the_other(server: Server) -> None:
    agent = server.agent()
    client = server.client()
    texts = [f"[conversation {agent}] number {number}\n!sleep 0.1\n!say answer {number}" for number in range(5)]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda text: client.agents.messages.create(agent, input=text), texts))
    assert [answer.messages[-1].content for answer in answers] == [f"answer {number}" for number in range(5)]
    order = server.sql("SELECT input #>> '{0,content}' FROM agents_run WHERE agent_id = %s ORDER BY seq", agent)
    told = [(text.splitlines()[0], text.split("!say ")[1]) for (text,) in order]
    assert server.transcript(agent) == [line for q, a in told for line in (f"user: {q}", f"assistant: {a}")]
    assert server.llm.stats()["max_active_by_conversation"][agent] == 1


def test_conversations_of_one_agent_go_on_side_by_side(server: Server) -> None:
    client, agent = server.client(), server.agent()
    busy = client.agents.messages.create_async(agent, input="Busy.\n!hang")
    other = client.conversations.create(agent_id=agent)
    events = list(client.conversations.messages.create(other.id, input="hello"))
    assert [event.content for event in events if event.message_type == "assistant_message"] == ["ok: hello"]
    assert [m.message_type for m in client.conversations.messages.list(other.id, order="asc")][1:] == [
        "user_message",
        "assistant_message",
    ]
    client.agents.messages.cancel(agent, run_ids=[busy.id])
    server.await_end(busy.id)


class TestRepeats:
    def test_the_same_key(self, server: Server) -> None:
        client, agent = server.client(max_retries=0), server.agent()
        key = {"Idempotency-Key": uuid.uuid4().hex}
        ask = lambda: client.agents.messages.create(agent, input="once\n!sleep 0.2\n!say hi", extra_headers=key)  # noqa: E731
        with ThreadPoolExecutor(8) as pool:
            answers = [future.result() for future in [pool.submit(ask) for _ in range(8)]]
        assert {answer.messages[-1].id for answer in [*answers, ask()]} == {answers[0].messages[-1].id}
        assert server.transcript(agent) == ["user: once", "assistant: hi"]

    def test_the_same_key_with_another_message(self, server: Server) -> None:
        client, agent = server.client(max_retries=0), server.agent()
        key = {"Idempotency-Key": uuid.uuid4().hex}
        client.agents.messages.create(agent, input="one", extra_headers=key)
        with pytest.raises(letta_client.UnprocessableEntityError, match="idempotency key"):
            client.agents.messages.create(agent, input="two", extra_headers=key)
        assert len(server.transcript(agent)) == 2

    def test_the_same_otid(self, server: Server) -> None:
        client, agent = server.client(max_retries=0), server.agent()
        said = {"role": "user", "content": "hello", "otid": str(uuid.uuid4())}
        first = client.agents.messages.create(agent, messages=[said])
        again = list(client.agents.messages.stream(agent, messages=[said]))
        assert [m.id for m in again if m.message_type == "assistant_message"] == [first.messages[-1].id]
        assert server.transcript(agent) == ["user: hello", "assistant: ok: hello"]

    def test_the_library_tries_again_on_its_own(self, server: Server) -> None:
        """After its timeout it sends the request again, with a retry count and without any key."""
        agent = server.agent()
        impatient = server.client(timeout=0.5, max_retries=2)
        answer = impatient.agents.messages.create(agent, input="slow\n!sleep 1\n!say here")
        assert answer.messages[-1].content == "here"
        assert server.transcript(agent) == ["user: slow", "assistant: here"]

    def test_the_same_words_again_are_a_new_message(self, server: Server) -> None:
        client, agent = server.client(), server.agent()
        for _ in range(2):
            client.agents.messages.create(agent, input="yes")
        assert server.transcript(agent) == ["user: yes", "assistant: ok: yes"] * 2


class TestCancel:
    def test_while_the_model_is_silent(self, server: Server) -> None:
        client, agent = server.client(), server.agent()
        run = client.agents.messages.create_async(agent, input="Never.\n!hang")
        wait_until(lambda: any(call["user"] == "Never.\n!hang" for call in server.llm.calls()))
        assert client.agents.messages.cancel(agent, run_ids=[run.id]) == {run.id: "cancelled"}
        assert server.await_end(run.id)["stop_reason"] == "cancelled"
        assert client.runs.retrieve(run.id).status == "cancelled"
        answer = client.agents.messages.create(agent, input="And now?")
        assert answer.messages[-1].content == "ok: And now?"

    def test_in_the_middle_of_an_answer(self, server: Server) -> None:
        client, agent = server.client(), server.agent()
        stream = client.agents.messages.stream(
            agent, input=f"Go.\n!delay 0.2\n!say {'word ' * 100}", stream_tokens=True
        )
        events = []
        for event in stream:
            events.append(event)
            if len(events) == 3:
                client.agents.messages.cancel(agent)
        assert (events[-1].message_type, events[-1].stop_reason) == ("stop_reason", "cancelled")
        assert server.transcript(agent) == ["user: Go."]
        assert client.agents.messages.create(agent, input="next").messages[-1].content == "ok: next"

    def test_inside_a_tool(self, server: Server, tmp_path) -> None:
        """The tool cannot be stopped; its call is closed all the same, and nothing after it is done."""
        client, agent = server.client(), server.agent("ring_bell")
        (tmp_path / "wait").touch()
        call = f'!call ring_bell {{"folder": "{tmp_path}"}}'
        run = client.agents.messages.create_async(agent, input=f"Go.\n{call}\n{call}\n!then\n!say more")
        wait_until((tmp_path / "begun").exists)
        client.agents.messages.cancel(agent)
        (tmp_path / "wait").unlink()
        assert server.await_end(run.id)["status"] == "cancelled"
        transcript = server.transcript(agent)
        assert transcript[1] == "assistant: [ring_bell, ring_bell]"
        assert [line.split(":")[0] for line in transcript[2:]] in (["tool", "tool error"], ["tool error", "tool error"])
        assert len((tmp_path / "begun").read_text().splitlines()) == 1

    def test_one_that_waits_behind_another(self, server: Server) -> None:
        client, agent = server.client(), server.agent()
        first = client.agents.messages.create_async(agent, input="first\n!sleep 1\n!say done")
        second = client.agents.messages.create_async(agent, input="second")
        third = client.agents.messages.create_async(agent, input="third")
        assert client.agents.messages.cancel(agent, run_ids=[second.id]) == {second.id: "cancelled"}
        assert [server.await_end(run.id)["status"] for run in (first, second, third)] == [
            "completed",
            "cancelled",
            "completed",
        ]
        assert server.transcript(agent) == ["user: first", "assistant: done", "user: third", "assistant: ok: third"]

    def test_one_that_has_ended_stays_as_it_is(self, server: Server) -> None:
        client, agent = server.client(), server.agent()
        run = server.send(agent, "hello")
        server.await_end(run)
        assert client.agents.messages.cancel(agent, run_ids=[run]) == {run: "completed"}

    def test_while_others_send(self, server: Server) -> None:
        client, agent = server.client(), server.agent()
        runs = [server.send(agent, f"number {n}\n!sleep 0.05\n!say {n}") for n in range(6)]
        threads = [threading.Thread(target=client.agents.messages.cancel, args=(agent,), kwargs={"run_ids": [run]})
                   for run in runs[::2]]  # fmt: skip
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ends = [server.await_end(run)["status"] for run in runs]
        assert set(ends[1::2]) == {"completed"}
        assert set(ends[::2]) <= {"cancelled", "completed"}


def test_an_agent_that_is_deleted_at_work(server: Server) -> None:
    client, agent = server.client(), server.agent()
    server.send(agent, "Never.\n!hang")
    wait_until(lambda: server.sql("SELECT 1 FROM agents_run WHERE agent_id = %s AND status = 'running'", agent))
    client.agents.delete(agent)
    assert server.sql("SELECT count(*) FROM agents_run WHERE agent_id = %s", agent) == [(0,)]
    assert client.agents.messages.create(server.agent(), input="hello").messages[-1].content == "ok: hello"
