"""Pictures that a provider refuses."""

from dataclasses import replace

import pytest

from agents.errors import LLMError
from agents.loop.decision import Finished
from agents.loop.messages import Message
from agents.loop.pictures import NOT_SHOWN
from agents.loop.state import StepState
from tests.agents.loop.doubles import Conversation, Script, agent, says

WORDS = {"type": "text", "text": "Look:"}
PICTURE = {"type": "image", "source": {"type": "url", "url": "https://example.org/gone.png"}}
SHOWN = Message("user", [WORDS, PICTURE])


def refused(code: str = "bad_request") -> LLMError:
    return LLMError(code, "The picture cannot be read.")


NEXT = Message("user", "And now?")


def told(*history: Message) -> StepState:
    return replace(agent(), history=history)


@pytest.mark.parametrize("code", ["bad_request", "not_found"])
def test_an_old_one_keeps_no_agent_from_answering(code):
    talk = Conversation(told(SHOWN, Message("assistant", "Hm."), NEXT), Script(refused(code), says("Go on.")))
    assert talk.turn() == Finished("end_turn")
    first, second = talk.llm.asked
    assert first.messages[0] == SHOWN
    assert second.messages == (Message("user", [WORDS, NOT_SHOWN]), *first.messages[1:])


def test_of_one_that_is_sent_just_now_the_user_hears():
    for said in (SHOWN, Message("user", [PICTURE])):
        talk = Conversation(told(said), Script(refused()))
        with pytest.raises(LLMError, match="cannot be read"):
            talk.step()


def test_what_the_loop_itself_says_is_not_the_newest():
    nudge = Message("user", "Go on.", nudge=True)
    with pytest.raises(LLMError):
        Conversation(told(SHOWN, nudge), Script(refused())).step()


@pytest.mark.parametrize("code", ["rate_limit", "context_overflow", "timeout"])
def test_other_errors_are_no_fault_of_a_picture(code):
    with pytest.raises(LLMError):
        Conversation(told(SHOWN, NEXT), Script(refused(code))).step()


def test_without_pictures_a_refusal_is_final():
    with pytest.raises(LLMError):
        Conversation(told(Message("user", [WORDS]), NEXT), Script(refused())).step()
