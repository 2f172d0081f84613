"""Talks to MCP servers on behalf of the web processes: lists their tools, and runs one by hand."""

import logging
from dataclasses import asdict
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db import connection

from agents.hints import ASK_MCP
from tools.asking import Question, Reply, reply, take
from tools.mcp import McpError, TimedOut, call
from tools.mcp.sync import remote_name, sync
from tools.models import McpServer, Tool

log = logging.getLogger(__name__)


@shared_task(name=ASK_MCP)
def serve(ticket: str) -> None:
    question = take(settings.REDIS_URL, ticket)
    if question is None:
        return
    try:
        answer = _answer(question)
    except Exception:  # somebody waits for a reply
        log.exception("A question to an MCP server could not be answered")
        answer = {"status": "failed"}
    finally:
        connection.close()
    reply(settings.REDIS_URL, ticket, answer)


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
