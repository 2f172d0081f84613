"""Steps as dialogues: what is committed when, what the model is told, and how a turn ends."""

import json
from dataclasses import replace

import pytest

from agents.errors import Cancelled, Fenced, LLMError
from agents.loop.decision import Finished, Heartbeat
from agents.loop.events import Done, TextDelta
from agents.loop.messages import Message
from agents.loop.ports import Abort, ModelSettings
from agents.loop.state import Tried
from agents.loop.step import INTERRUPTED, MAX_ATTEMPTS
from agents.loop.style import style_for
from tests.agents.loop.doubles import Conversation, MemoryLedger, Script, agent, calls, says, spec

BELL = spec("ring_bell")
LAMP = spec("set_lamp", idempotent=True)
LOOK = spec("look", "where", effect="read", idempotent=True)
NOTE = spec("note", "text", effect="state")
SEND = spec("send_message", "message", effect="state")

MEMGPT = style_for("memgpt_agent")


def memgpt(*tools, **fields):
    return agent(SEND, *tools, style=MEMGPT, rules=MEMGPT.rules, **fields)


def acting(**arguments):
    return {"thinking": "Let me see.", "request_heartbeat": False} | arguments


# Plain agents


def test_plain_text_is_one_commit_and_ends_the_turn():
    talk = Conversation(agent(BELL), Script(says("Good morning to you")))
    assert talk.turn() == Finished("end_turn")
    assert talk.journal == ["commit answer, end_turn"]
    assert [message.content for message in talk.ledger.messages] == ["Good morning to you"]
    assert "".join(event.text for event in talk.emitted if isinstance(event, TextDelta)) == "Good morning to you"


def test_a_tool_call_beats_on_and_the_model_sees_its_return():
    talk = Conversation(agent(LOOK), Script(calls(("look", {"where": "left"})), says("Nothing there")))
    assert talk.turn() == Finished("end_turn")
    assert talk.journal == [
        "commit answer, start look",
        "run look 1",
        "commit look:success, heartbeat",
        "commit answer, end_turn",
    ]
    second = talk.llm.asked[1].messages
    assert [message.role for message in second] == ["user", "assistant", "tool"]
    assert second[2].content == "look is done"


def test_tools_that_change_our_own_rows_run_inside_the_commit():
    talk = Conversation(agent(NOTE), Script(calls(("note", {"text": "one"}), ("note", {"text": "two"})), says("Noted")))
    talk.turn()
    assert talk.journal == [
        "commit answer, note:success, note:success, heartbeat",
        "commit answer, end_turn",
    ]


def test_the_intent_of_each_outside_call_is_committed_before_it_runs():
    asked = [("ring_bell", {}), ("note", {"text": "rung"}), ("set_lamp", {}), ("note", {"text": "lit"})]
    talk = Conversation(agent(BELL, NOTE, LAMP), Script(calls(*asked)))
    assert talk.step() == Heartbeat()
    assert talk.journal == [
        "commit answer, start ring_bell",
        "run ring_bell 1",
        "commit ring_bell:success, note:success, start set_lamp",
        "run set_lamp 1",
        "commit set_lamp:success, note:success, heartbeat",
    ]


def test_a_thought_and_text_beside_a_call_are_kept():
    talk = Conversation(agent(NOTE), Script(calls(("note", {"text": "x"}), text="Noting it.", thought="A fact.")))
    talk.step()
    answer = talk.ledger.messages[0]
    assert (answer.content, [thought.text for thought in answer.reasoning]) == ("Noting it.", ["A fact."])


def test_call_ids_are_ours_whatever_the_provider_calls_them():
    talk = Conversation(agent(NOTE), Script(calls(("note", {"text": "a"}), ("note", {"text": "b"}))))
    talk.step()
    assert [call.id for call in talk.ledger.messages[0].calls] == ["call_1_0", "call_1_1"]


def test_without_parallel_calls_only_the_first_is_taken():
    state = agent(NOTE, settings=ModelSettings(parallel_tool_calls=False))
    talk = Conversation(state, Script(calls(("note", {"text": "a"}), ("note", {"text": "b"}))))
    talk.step()
    assert [call.arguments for call in talk.ledger.messages[0].calls] == ['{"text": "a"}']


# Agents that speak through a tool


def test_send_message_ends_the_turn():
    talk = Conversation(memgpt(), Script(calls(("send_message", {"thinking": "Greet.", "message": "Hello"}))))
    assert talk.turn() == Finished("tool_rule")
    assert talk.ledger.messages[1].content == '{"message": "Hello"}'


def test_a_heartbeat_is_asked_for_by_the_call():
    noted = acting(text="x")
    beating = Conversation(memgpt(NOTE), Script(calls(("note", noted | {"request_heartbeat": True}))))
    resting = Conversation(memgpt(NOTE), Script(calls(("note", noted))))
    assert (beating.step(), resting.step()) == (Heartbeat(), Finished("end_turn"))


def test_a_heartbeat_comes_by_rule_and_after_errors():
    append = spec("core_memory_append", "text", effect="state")
    ruled = Conversation(memgpt(append), Script(calls(("core_memory_append", acting(text="x")))))
    failed = Conversation(memgpt(NOTE), Script(calls(("note", acting()))))
    assert (ruled.step(), failed.step()) == (Heartbeat(), Heartbeat())


def test_the_arguments_that_the_style_adds_are_shown_to_the_model_and_kept_from_the_tool():
    talk = Conversation(memgpt(NOTE), Script(calls(("note", acting(text="x")))))
    talk.step()
    shown = {tool.name: tool.parameters for tool in talk.llm.asked[0].tools}
    assert shown["note"]["required"] == ["thinking", "text", "request_heartbeat"]
    assert shown["send_message"]["required"] == ["thinking", "message"]
    assert talk.llm.asked[0].tool_choice == "required"
    assert talk.ledger.messages[1].content == '{"text": "x"}'


def test_plain_text_is_no_answer_where_a_call_is_due():
    talk = Conversation(memgpt(), Script(says("Hello")))
    assert talk.turn().stop_reason == "no_tool_call"


def test_a_refused_send_message_does_not_end_the_turn():
    talk = Conversation(memgpt(), Script(calls(("send_message", {"thinking": "Say nothing."}))))
    assert talk.step() == Heartbeat()


# Calls that cannot be run


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("sing", {}), "there is no tool 'sing'. Your tools: look."),
        (("look", '{"where": "le'), "cut off before its end"),
        (("look", {"where": 7}), "where"),
        (("look", {}), "where"),
        (("look", {"where": "left", "how": "fast"}), "how"),
    ],
)
def test_an_invalid_call_is_recorded_and_told_and_never_run(asked, told):
    talk = Conversation(agent(LOOK), Script(calls(asked)))
    assert talk.step() == Heartbeat()
    assert talk.journal == [f"commit answer, {asked[0]}:error, heartbeat"]
    assert told in talk.ledger.messages[1].content
    assert talk.ledger.messages[1].content.startswith("Invalid tool call: ")


def test_three_invalid_answers_in_a_row_end_the_run():
    wrong = calls(("look", {}))
    talk = Conversation(agent(LOOK), Script(wrong, calls(("sing", {})), wrong))
    assert talk.turn() == Finished("invalid_tool_call", "invalid_tool_calls", "3 invalid tool calls in a row.")


def test_a_valid_call_between_invalid_ones_counts_them_anew():
    wrong, right = calls(("look", {})), calls(("look", {"where": "up"}))
    talk = Conversation(agent(LOOK), Script(wrong, wrong, right, wrong, wrong, says("I give up")))
    assert talk.turn() == Finished("end_turn")


def test_a_valid_call_beside_an_invalid_one_is_run():
    talk = Conversation(agent(LOOK), Script(calls(("sing", {}), ("look", {"where": "up"}))))
    talk.step()
    assert talk.journal == ["commit answer, sing:error, start look", "run look 1", "commit look:success, heartbeat"]


def test_the_same_call_with_the_same_result_five_times_is_a_loop():
    talk = Conversation(agent(LOOK), Script(*[calls(("look", {"where": "up"}))] * 5))
    ended = talk.turn()
    assert (ended.stop_reason, ended.error_code) == ("error", "loop_detected")
    assert talk.journal.count("run look 1") == 5


def test_the_same_call_with_another_result_is_no_loop():
    seen = iter("abcde")
    script = Script(*[calls(("look", {"where": "up"}))] * 5, says("Enough"))
    talk = Conversation(agent(LOOK), script, {"look": lambda where: next(seen)})
    assert talk.turn() == Finished("end_turn")


def test_max_steps_ends_the_turn_but_not_an_answer():
    looks = [calls(("look", {"where": str(number)})) for number in range(3)]
    assert Conversation(agent(LOOK, max_steps=3), Script(*looks)).turn() == Finished("max_steps")
    answered = Conversation(agent(LOOK, max_steps=3), Script(*looks[:2], says("Done")))
    assert answered.turn() == Finished("end_turn")


# A worker that died


def resumed(talk, **fields):
    """The same step for another worker; its model must not be asked again."""
    state = replace(talk.ledger.resumed(talk.state), **fields)
    return Conversation(state, Script())


class Death(Exception):
    """The worker dies here."""


def die():
    raise Death


def test_an_answer_that_is_recorded_is_not_asked_for_again():
    talk = Conversation(agent(LOOK), Script(calls(("look", {"where": "up"}))), {"look": lambda where: die()})
    with pytest.raises(Death):
        talk.step()
    again = resumed(talk)
    assert again.step() == Heartbeat()
    assert again.journal == ["commit start look", "run look 2", "commit look:success, heartbeat"]
    assert again.llm.asked == []


def test_an_unfinished_call_that_may_not_be_repeated_is_told_as_interrupted():
    talk = Conversation(agent(BELL), Script(calls(("ring_bell", {}))), {"ring_bell": die})
    with pytest.raises(Death):
        talk.step()
    again = resumed(talk)
    assert again.step() == Heartbeat()
    assert again.journal == ["commit ring_bell:error, heartbeat"]
    told = again.ledger.messages[0].content
    assert told == INTERRUPTED
    assert json.loads(told)["status"] == "interrupted"


@pytest.mark.parametrize(("tried", "journal"), [(MAX_ATTEMPTS - 1, 3), (MAX_ATTEMPTS, 1)])
def test_an_idempotent_call_is_tried_three_times(tried, journal):
    talk = Conversation(agent(LAMP), Script(calls(("set_lamp", {}))), {"set_lamp": die})
    with pytest.raises(Death):
        talk.step()
    again = resumed(talk, tried={"call_1_0": Tried(tried, unfinished=True)})
    again.step()
    assert len(again.journal) == journal
    assert again.ledger.messages[-1].returned.status == ("success" if tried < MAX_ATTEMPTS else "error")


def test_calls_that_have_their_return_are_not_run_again():
    script = Script(calls(("ring_bell", {}), ("note", {"text": "a"}), ("set_lamp", {})))
    talk = Conversation(agent(BELL, NOTE, LAMP), script, {"set_lamp": die})
    with pytest.raises(Death):
        talk.step()
    again = resumed(talk)
    again.step()
    assert again.journal == ["commit start set_lamp", "run set_lamp 2", "commit set_lamp:success, heartbeat"]


def test_calls_that_were_planned_only_are_run_for_the_first_time():
    talk = Conversation(agent(BELL), Script(calls(("ring_bell", {}))), {"ring_bell": die})
    with pytest.raises(Death):
        talk.step()
    again = resumed(talk, tried={})
    again.step()
    assert again.journal == ["commit start ring_bell", "run ring_bell 1", "commit ring_bell:success, heartbeat"]


def test_with_every_return_stored_only_the_end_remains():
    talk = Conversation(agent(LOOK), Script(calls(("look", {"where": "up"}))))
    talk.step()
    again = resumed(talk)
    assert again.step() == Heartbeat()
    assert again.journal == ["commit heartbeat"]


def test_a_heartbeat_is_decided_from_stored_returns_too():
    talk = Conversation(memgpt(LOOK), Script(calls(("look", acting(where=7)))))
    assert talk.step() == Heartbeat()  # an error beats on
    assert resumed(talk).step() == Heartbeat()


# Answers that are none


def test_an_empty_answer_is_worth_another_try():
    talk = Conversation(agent(), Script([TextDelta(" \n"), Done("stop")]))
    with pytest.raises(LLMError) as caught:
        talk.step()
    assert (caught.value.code, caught.value.retryable, talk.journal) == ("empty_response", True, [])


def test_an_answer_cut_at_its_limit_is_kept_and_fails_the_run():
    talk = Conversation(agent(), Script(says("Once upon", finish="length")))
    assert talk.turn().stop_reason == "max_tokens_exceeded"
    assert talk.ledger.messages == [Message("assistant", "Once upon")]


def test_an_empty_answer_at_the_limit_is_a_recorded_answer():
    assert Conversation(agent(), Script([Done("length")])).turn().stop_reason == "max_tokens_exceeded"


def test_what_the_content_filter_withheld_is_not_tried_again():
    talk = Conversation(agent(), Script([Done("content_filter")]))
    with pytest.raises(LLMError) as caught:
        talk.step()
    assert (caught.value.code, caught.value.retryable) == ("content_filter", False)


def test_a_stream_without_an_end_was_cut():
    talk = Conversation(agent(), Script([TextDelta("Once up")]))
    with pytest.raises(LLMError) as caught:
        talk.step()
    assert (caught.value.code, caught.value.retryable, talk.journal) == ("cut_stream", True, [])


def test_an_error_of_the_model_commits_nothing():
    talk = Conversation(agent(), Script(LLMError("rate_limit", "Slow down.", retryable=True)))
    with pytest.raises(LLMError, match="Slow down"):
        talk.step()
    assert talk.journal == []


# Being stopped


def test_a_stop_before_the_model_is_asked():
    talk = Conversation(agent(), Script(says("never")))
    talk.abort.press("cancelled")
    with pytest.raises(Cancelled):
        talk.step()
    assert (talk.llm.asked, talk.journal) == ([], [])


def test_a_stop_behind_the_answer_leaves_it_unrecorded():
    abort = Abort()
    script = Script(says("too late"), before=lambda number: abort.press("deadline") if number == 2 else None)
    talk = Conversation(agent(), script, abort=abort)
    with pytest.raises(Cancelled) as caught:
        talk.step()
    assert (caught.value.reason, talk.journal) == ("deadline", [])


def test_a_clean_stop_behind_the_answer_keeps_it():
    abort = Abort()
    script = Script(says("paid for"), before=lambda number: abort.press("shutdown") if number == 2 else None)
    talk = Conversation(agent(), script, abort=abort)
    talk.step()
    assert talk.journal == ["commit answer, end_turn"]


def test_a_stop_between_two_tools_keeps_what_the_first_returned_and_lets_the_second_alone():
    abort = Abort()

    def ring():
        abort.press("shutdown")
        return "rung"

    script = Script(calls(("ring_bell", {}), ("set_lamp", {})))
    talk = Conversation(agent(BELL, LAMP), script, {"ring_bell": ring}, abort=abort)
    with pytest.raises(Cancelled):
        talk.step()
    assert talk.journal == [
        "commit answer, start ring_bell",
        "run ring_bell 1",
        "commit ring_bell:success, stop",
    ]


def test_a_fenced_worker_runs_nothing_more():
    class Lost(MemoryLedger):
        def commit(self, *arguments):
            raise Fenced("another has it")

    talk = Conversation(agent(BELL), Script(calls(("ring_bell", {}))))
    talk.ledger = Lost(talk.journal)
    with pytest.raises(Fenced):
        talk.step()
    assert talk.journal == []
