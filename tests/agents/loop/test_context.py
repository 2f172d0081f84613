"""The compiled prompt and the request: the same bytes for the same inputs, with what changes most at the end."""

from dataclasses import replace
from datetime import UTC, datetime

from agents.loop.context import Facts, build_request, compile_prompt
from agents.loop.style import Style, style_for
from memory.core import BlockText
from tests.agents.loop.doubles import agent, spec

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FACTS = Facts("agent-1", "default", NOON, recalled=3, archived=0)
BLOCKS = [BlockText("human", "Ann\nlikes tea", 100, "The user."), BlockText("persona", "Sam", 100)]
RULES = [{"type": "exit_loop", "tool_name": "send_message"}, {"type": "run_first", "tool_name": "look"}]

EXPECTED = """\
You are Sam.

<memory_blocks>
These are the blocks of your core memory, as they stand now:

<human>
<description>
The user.
</description>
<metadata>
- chars_current=13
- chars_limit=100
</metadata>
<value>
Ann
likes tea
</value>
</human>

<persona>
<description>

</description>
<metadata>
- chars_current=3
- chars_limit=100
</metadata>
<value>
Sam
</value>
</persona>

</memory_blocks>

<tool_usage_rules>
These rules bind the order in which you use tools.

<tool_rule>
send_message ends your turn when you call it
</tool_rule>
<tool_rule>
look is the first tool to call
</tool_rule>
</tool_usage_rules>

<memory_metadata>
- AGENT_ID: agent-1
- CONVERSATION_ID: default
- System prompt last recompiled: 2026-03-01 12:00:00 PM UTC+0000
- 3 earlier messages of this conversation are in recall memory (conversation_search)
</memory_metadata>"""


def prompt(instructions="You are Sam.", blocks=BLOCKS, rules=RULES, style=Style(), facts=FACTS):  # noqa: B008
    return compile_prompt(instructions, blocks, rules, style, facts)


def test_the_whole_prompt_byte_for_byte():
    assert prompt() == EXPECTED


def test_the_same_inputs_give_the_same_bytes():
    assert prompt(blocks=iter(BLOCKS), rules=iter(RULES)) == prompt()


def test_facts_come_last_so_that_all_before_them_stays():
    later = replace(FACTS, recalled=90, compiled_at=NOON.replace(hour=13))
    head, _, _ = prompt().partition("<memory_metadata>")
    assert prompt(facts=later).startswith(head)


def test_memory_goes_where_the_instructions_want_it():
    placed = prompt("Before. {CORE_MEMORY} After.", rules=[])
    assert placed.index("Before.") < placed.index("<memory_blocks>") < placed.index("After.")
    assert "{CORE_MEMORY}" not in placed


def test_instructions_may_have_braces_of_their_own():
    assert "{name} %s {0}" in prompt("{name} %s {0}")


def test_a_block_that_looks_like_the_placeholder_is_not_expanded():
    placed = prompt("{CORE_MEMORY}", blocks=[BlockText("human", "{CORE_MEMORY}", 100)])
    assert placed.count("<memory_blocks>") == 1


def test_lines_are_numbered_where_the_style_wants_it():
    assert "1→ Ann\n2→ likes tea" in prompt(style=style_for("letta_v1_agent"))


def test_without_blocks_and_rules_no_empty_parts():
    bare = prompt(blocks=[], rules=[])
    assert bare.startswith("You are Sam.\n\n<memory_metadata>")


def test_archived_passages_are_told_when_there_are_any():
    assert "2 passages are in archival memory" in prompt(facts=replace(FACTS, archived=2))


def test_a_plain_agent_may_answer_or_call():
    request = build_request(agent(spec("look", "where")))
    assert request.tool_choice == "auto"
    assert request.tools == (spec("look", "where"),)


def test_the_style_adds_arguments_without_changing_the_tool():
    tool, style = spec("look", "where"), style_for("memgpt_agent")
    shown = build_request(agent(tool, style=style, rules=style.rules)).tools[0]
    assert list(shown.parameters["properties"]) == ["thinking", "where", "request_heartbeat"]
    assert list(tool.parameters["properties"]) == ["where"]


def test_nothing_is_required_of_an_agent_without_tools():
    assert build_request(agent(style=style_for("memgpt_agent"))).tool_choice == "auto"
