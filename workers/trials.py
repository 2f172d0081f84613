"""Runs a tool by hand, for a web process that waits for it: nothing of it becomes part of a conversation."""

import json
from dataclasses import replace
from typing import Any

from celery import shared_task
from django.db import connection

from agents.hints import RUN_TOOL
from agents.models import Conversation
from agents.prompt import equipped
from agents.toolbox import caller
from tools import custom
from tools.arguments import parse
from tools.asking import Question, Reply
from tools.custom import Caller
from tools.executor import returned
from tools.mcp import call as call_remote
from tools.mcp.sync import remote_name
from tools.models import Tool
from tools.spec import ToolCall, ToolError, ToolReturn
from workers.answering import serve
from workers.tasks import this_process


@shared_task(name=RUN_TOOL)
def run_tool(ticket: str) -> None:
    serve(ticket, _answer)


def _answer(question: Question) -> Reply:
    """{"status": success or error, "text", "stdout", "stderr"}"""
    try:
        tool, by = _tool(question), _caller(question)
    except Tool.DoesNotExist:
        return {"status": "error", "text": "The tool is no longer there.", "stdout": None, "stderr": None}
    finally:
        connection.close()  # none is held while the tool runs
    came_back = _run(tool, question["args"], by)
    return {
        "status": came_back.status,
        "text": came_back.text,
        "stdout": came_back.stdout,
        "stderr": came_back.stderr,
    }


def _tool(question: Question) -> Tool:
    if tool_id := question.get("tool"):
        return Tool.objects.select_related("mcp_server").get(id=tool_id)
    schema = question["schema"]
    return Tool(name=schema["name"], json_schema=schema, source_code=question["source"])


def _caller(question: Question) -> Caller:
    """The agent in its own conversation, if it is named, and the variables that were sent along."""
    place = Conversation.objects.filter(agent_id=question.get("agent"), is_default=True).first()
    own = caller(equipped(place)) if place else Caller({})
    return replace(own, variables={**own.variables, **question.get("variables", {})})


def _run(tool: Tool, given: dict[str, Any], by: Caller) -> ToolReturn:
    call = ToolCall("by_hand", tool.name, json.dumps(given))
    try:
        arguments = parse(call.arguments, tool.json_schema["parameters"])
    except ToolError as error:
        return returned(call, "error", str(error), tool.return_char_limit)
    if tool.mcp_server:
        answer = call_remote(tool.mcp_server, remote_name(tool), arguments)
        return returned(call, answer.status, answer.text, tool.return_char_limit)
    return custom.run(tool, arguments, call, this_process().outfit.sandbox, by)
