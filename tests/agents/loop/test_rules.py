"""Tool rules: what may be called next, and what must be called before the end."""

import pytest

from agents.loop.decision import Finished, Heartbeat
from agents.loop.rules import Allowed, allowed, missing_before_exit, sentence
from tests.agents.loop.doubles import Conversation, Script, agent, calls, says, spec
from tools.spec import ToolReturn

NAMES = ("plan", "act", "check", "stop")


def rule(kind, tool_name="plan", **fields):
    return {"type": kind, "tool_name": tool_name} | fields


def done(*names, last=""):
    """Calls that returned nothing of note; the last one returned `last`."""
    texts = [""] * (len(names) - 1) + [last]
    return [(name, ToolReturn("c", name, "success", text)) for name, text in zip(names, texts, strict=False)]


def left(rules, *names, last=""):
    return set(allowed(rules, NAMES, done(*names, last=last)).names)


def test_without_rules_everything_is_allowed():
    assert allowed([], NAMES, []) == Allowed(frozenset(NAMES))


def test_the_first_call_and_its_arguments():
    rules = [rule("run_first", args={"goal": "tea"}), rule("run_first", "check"), rule("run_first", "unknown")]
    first = allowed(rules, NAMES, [])
    assert (set(first.names), first.must_call, first.prefilled) == ({"plan", "check"}, True, {"plan": {"goal": "tea"}})
    assert left(rules, "check") == set(NAMES)


def test_children_follow_their_parent():
    rules = [
        rule("constrain_child_tools", children=["act", "check"], child_arg_nodes=[{"name": "act", "args": {"n": 1}}])
    ]
    after = allowed(rules, NAMES, done("plan"))
    assert (set(after.names), after.must_call, after.prefilled) == ({"act", "check"}, True, {"act": {"n": 1}})
    assert left(rules) == set(NAMES)
    assert left(rules, "plan", "act") == set(NAMES)


def test_children_only_right_after_their_parent():
    rules = [rule("parent_last_tool", children=["act"])]
    assert left(rules) == {"plan", "check", "stop"}
    assert left(rules, "plan") == set(NAMES)
    assert left(rules, "plan", "check") == {"plan", "check", "stop"}


@pytest.mark.parametrize(
    ("output", "following"),
    [("yes", "act"), ("3", "check"), ("true", "stop"), ('{"a": 1, "b": 2}', "act"), ("no", "check")],
)
def test_what_was_returned_chooses_the_next(output, following):
    mapping = {"yes": "act", "3": "check", "True": "stop", '{"b": 2, "a": 1}': "act"}
    assert left([rule("conditional", child_output_mapping=mapping, default_child="check")], "plan", last=output) == {
        following
    }


def test_a_return_that_no_condition_names():
    mapping = {"yes": "act"}
    assert left([rule("conditional", child_output_mapping=mapping)], "plan", last="no") == set(NAMES)
    strict = rule("conditional", child_output_mapping=mapping, require_output_mapping=True)
    assert left([strict], "plan", last="no") == set()
    assert not allowed([strict], NAMES, done("plan", last="no")).must_call


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_tool_may_be_called_so_many_times_and_no_more(limit):
    rules = [rule("max_count_per_step", max_count_limit=limit)]
    for count in range(limit):
        assert "plan" in left(rules, *["plan"] * count)
    assert "plan" not in left(rules, *["plan"] * limit)


def test_a_limit_that_leaves_no_tool_leaves_none():
    assert allowed([rule("max_count_per_step", max_count_limit=1)], ["plan"], done("plan")).names == frozenset()


def test_rules_add_up():
    rules = [
        rule("constrain_child_tools", children=["act", "check"]),
        rule("max_count_per_step", "act", max_count_limit=1),
    ]
    assert left(rules, "act", "plan") == {"check"}


def test_what_has_to_come_before_the_end():
    rules = [rule("required_before_exit", "check"), rule("required_before_exit", "gone")]
    assert missing_before_exit(rules, NAMES, []) == ["check"]
    assert missing_before_exit(rules, NAMES, ["check"]) == []


def test_every_rule_has_its_sentence():
    kinds = ("run_first", "parent_last_tool", "conditional", "max_count_per_step", "requires_approval", "exit_loop")
    for kind in kinds:
        assert "plan" in sentence(rule(kind, children=["act"], max_count_limit=2))
    assert sentence(rule("run_first", prompt_template="Plan before all else.")) == "Plan before all else."
    assert sentence(rule("unheard_of")) is None


# In the loop

PLAN, ACT, CHECK = spec("plan"), spec("act", "what"), spec("check")


def test_the_model_is_offered_only_what_is_allowed_and_told_to_call_it():
    talk = Conversation(agent(PLAN, ACT, rules=(rule("run_first"),)), Script(calls(("plan", {})), says("Done")))
    assert talk.turn() == Finished("end_turn")
    first, second = talk.llm.asked
    assert ([tool.name for tool in first.tools], first.tool_choice) == (["plan"], "plan")
    assert ([tool.name for tool in second.tools], second.tool_choice) == (["plan", "act"], "auto")


def test_a_call_that_is_not_allowed_goes_back_with_what_is():
    talk = Conversation(
        agent(PLAN, ACT, rules=(rule("run_first"),)),
        Script(calls(("act", {"what": "now"})), calls(("plan", {})), says("Ok")),
    )
    talk.turn()
    told = talk.llm.asked[1].messages[-1].content
    assert "the tool rules do not allow act now. What you can call: plan." in told
    assert "run act 1" not in talk.journal


def test_arguments_of_a_rule_override_those_of_the_model():
    seen = []
    talk = Conversation(
        agent(PLAN, ACT, rules=(rule("run_first", "act", args={"what": "this"}),)),
        Script(calls(("act", {"what": "that"})), says("Ok")),
        {"act": lambda what: seen.append(what) or "done"},
    )
    talk.turn()
    assert seen == ["this"]


def test_arguments_of_a_rule_that_do_not_fit_never_reach_the_tool():
    talk = Conversation(
        agent(ACT, rules=(rule("run_first", "act", args={"what": 7}),)), Script(calls(("act", {})), says("Ok"))
    )
    talk.step()
    assert talk.journal == ["commit answer, act:error, heartbeat"]


def test_rules_of_order_leave_one_call_of_an_answer():
    talk = Conversation(
        agent(PLAN, CHECK, rules=(rule("run_first"),)), Script(calls(("plan", {}), ("check", {})), says("Ok"))
    )
    talk.turn()
    assert "run check 1" not in talk.journal
    assert talk.llm.asked[0].settings.parallel_tool_calls is False


def test_the_turn_goes_on_until_what_is_required_was_called():
    rules = (rule("required_before_exit", "check"),)
    talk = Conversation(agent(CHECK, rules=rules), Script(says("Bye"), calls(("check", {})), says("Bye now")))
    assert talk.step() == Heartbeat("Your turn cannot end yet: call check first.")
    talk = Conversation(agent(CHECK, rules=rules), Script(says("Bye"), calls(("check", {})), says("Bye now")))
    assert talk.turn() == Finished("end_turn")
    assert talk.journal.count("run check 1") == 1


def test_a_tool_that_ends_the_turn_does_not_end_it_before_that():
    rules = (rule("exit_loop", "plan"), rule("required_before_exit", "check"))
    talk = Conversation(
        agent(PLAN, CHECK, rules=rules), Script(calls(("plan", {})), calls(("check", {})), calls(("plan", {})))
    )
    assert talk.turn() == Finished("tool_rule")
    assert len(talk.llm.asked) == 3


def test_the_last_step_ends_even_so():
    talk = Conversation(agent(CHECK, rules=(rule("required_before_exit", "check"),), max_steps=1), Script(says("Bye")))
    assert talk.turn() == Finished("max_steps")


# Calls that wait


def test_an_answer_with_a_call_that_waits_is_recorded_and_nothing_of_it_runs():
    talk = Conversation(agent(PLAN, CHECK, gated=frozenset({"plan"})), Script(calls(("check", {}), ("plan", {}))))
    assert talk.turn() == Finished("requires_approval")
    assert talk.journal == ["commit answer, ask plan"]


def test_a_call_that_is_not_valid_need_not_wait():
    talk = Conversation(agent(ACT, gated=frozenset({"act"})), Script(calls(("act", {})), says("Ok")))
    assert talk.turn() == Finished("end_turn")
    assert talk.journal[0] == "commit answer, act:error, heartbeat"
