"""Talks to MCP servers on behalf of the web processes: lists their tools, and runs one by hand."""

from dataclasses import asdict
from typing import Any

from celery import shared_task
from django.db import connection

from agents.hints import ASK_MCP
from tools.asking import Question, Reply
from tools.mcp import McpError, TimedOut, call
from tools.mcp.sync import remote_name, sync
from tools.models import McpServer, Tool
from workers.answering import serve


@shared_task(name=ASK_MCP)
def ask_mcp(ticket: str) -> None:
    serve(ticket, _answer)


def _answer(question: Question) -> Reply:
    """{"status": success, error, connection, timeout, gone or failed, ...}"""
    try:
        if question["do"] == "sync":
            return {"status": "success", "changes": asdict(sync(question["server"]))}
        return _run(question["tool"], question["args"])
    except TimedOut as error:
        return {"status": "timeout", "text": str(error)}
    except McpError as error:
        return {"status": "connection", "text": str(error)}
    except (McpServer.DoesNotExist, Tool.DoesNotExist):
        return {"status": "gone"}


def _run(tool_id: str, arguments: dict[str, Any]) -> Reply:
    tool = Tool.objects.select_related("mcp_server").get(id=tool_id, mcp_server__isnull=False)
    assert tool.mcp_server
    connection.close()  # none is held while the tool runs
    answer = call(tool.mcp_server, remote_name(tool), arguments)
    return {"status": answer.fault or answer.status, "text": answer.text}
