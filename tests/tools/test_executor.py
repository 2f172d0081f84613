"""What comes back of a call, whatever the function does."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import IntegrityError, OperationalError, connection

from accounts.models import Organization
from tools import registry
from tools.executor import run
from tools.registry import RegisteredTool
from tools.spec import ToolCall, ToolSpec

pytestmark = pytest.mark.django_db

CALL = ToolCall("call-1", "f", "{}")


def tool_of(function, effect="effect", **spec) -> RegisteredTool:
    return RegisteredTool(ToolSpec("f", "", {}, effect=effect, **spec), function, "custom", (), takes_context=False)


def raising(error: BaseException):
    def function():
        raise error

    return function


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("as it is", "as it is"),
        (None, "None"),
        (3, "3"),
        (True, "true"),
        ({"a": ["ä", None]}, '{"a": ["ä", null]}'),
        ([datetime(2026, 1, 2, tzinfo=UTC)], '["2026-01-02 00:00:00+00:00"]'),
    ],
)
def test_results_become_text(make_context, result, text):
    returned = run(tool_of(lambda: result), {}, make_context(), CALL)
    assert (returned.call_id, returned.name, returned.status, returned.text) == ("call-1", "f", "success", text)
    assert returned.stderr is None


@pytest.mark.parametrize("result", [{(1, 2): 3}, [[]]])
def test_a_result_that_is_no_json_is_an_error_of_the_tool(make_context, result):
    if isinstance(result, list):
        result[0].append(result)
    returned = run(tool_of(lambda: result), {}, make_context(), CALL)
    assert returned.status == "error"
    assert returned.text.startswith("Error executing function f: ")


def test_a_long_result_is_cut(make_context):
    returned = run(tool_of(lambda: "x" * 11, return_chars=10), {}, make_context(), CALL)
    note = "... [NOTE: function output was truncated since it exceeded the character limit: 11 > 10]"
    assert returned.text == "x" * 10 + note
    assert run(tool_of(lambda: "x" * 10, return_chars=10), {}, make_context(), CALL).text == "x" * 10


def test_the_context_comes_first_where_it_is_wanted(call, make_context):
    assert call("sample_note", make_context(), text="hello").text == "key-1"
    assert json.loads(call("sample_echo", make_context(), value={"a": 1}).text) == {"a": 1}


def test_what_is_told_to_the_model_is_its_text_alone(call, make_context):
    context = make_context()
    returned = call("sample_note", context, text="refuse")
    assert (returned.status, returned.text, returned.stderr) == ("error", "Write something else.", None)
    assert context.core.edits == []


def test_any_other_error_names_the_function_and_keeps_the_traceback(call, make_context):
    context = make_context()
    returned = call("sample_note", context, text="break")
    assert returned.status == "error"
    assert returned.text.startswith("Error executing function sample_note: ValueError: broken in …")
    assert returned.stderr is not None
    assert returned.stderr[0] == "Traceback (most recent call last):"
    assert returned.stderr[1].startswith("  tests.tools.sample_tools, line ")
    assert returned.stderr[-1].startswith("ValueError: broken in …")
    assert context.core.edits == []


def test_no_path_of_the_server_is_shown(call, make_context):
    returned = call("sample_note", make_context(), text="break")
    assert str(Path(__file__).parents[2]) not in "".join([returned.text, *(returned.stderr or [])])


def test_a_failed_state_tool_leaves_the_transaction_usable(make_context):
    def function():
        Organization.objects.create(id="org-1", name="once")
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")

    returned = run(tool_of(function, effect="state"), {}, make_context(), CALL)
    assert "division by zero" in returned.text
    assert not Organization.objects.filter(name="once").exists()


@pytest.mark.parametrize("error", [OperationalError("gone")])
def test_a_database_that_is_away_is_no_answer_of_a_state_tool(make_context, error):
    with pytest.raises(OperationalError):
        run(tool_of(raising(error), effect="state"), {}, make_context(), CALL)
    assert run(tool_of(raising(error), effect="read"), {}, make_context(), CALL).status == "error"


def test_other_database_errors_are_told(make_context):
    assert run(tool_of(raising(IntegrityError("twice")), effect="state"), {}, make_context(), CALL).status == "error"


def test_only_exceptions_are_caught(make_context):
    with pytest.raises(KeyboardInterrupt):
        run(tool_of(raising(KeyboardInterrupt())), {}, make_context(), CALL)


def test_the_spec_of_the_registered_tool_decides_the_cut(make_context):
    registry.load()
    registered = registry.find("send_message")
    assert registered is not None
    short = replace(registered, spec=replace(registered.spec, return_chars=4))
    assert run(short, {"message": "hi"}, make_context(), CALL).text.startswith("Sent... [NOTE:")
