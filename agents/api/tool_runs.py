"""Tools run by hand: a worker runs them as it would for an agent, and these views wait for it."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from accounts.authentication import principal_of
from agents.api.asking import answer_of, asked, unserved
from agents.api.async_views import only
from agents.api.requests import json_body
from agents.api.scope import one
from agents.api.tool_sources import derived_schema
from agents.errors import BadRequest, NotFound, invalid
from agents.following import in_thread
from agents.hints import run_tool
from agents.models import Agent
from tools.asking import NobodyAnswers
from tools.custom import LONGEST_SECONDS

RUN_SECONDS = LONGEST_SECONDS + 40.0


@only("POST")
async def run_source(request: HttpRequest) -> HttpResponseBase:
    """A function that is not saved: `source_code`, `args`, and the environment `env_vars`."""

    def question() -> dict[str, Any]:
        principal_of(request.headers.get("Authorization"))
        body = json_body(request)
        source, variables = body.get("source_code"), body.get("env_vars") or {}
        if not isinstance(source, str):
            raise invalid(["body", "source_code"], "Should be a string", "string_type")
        if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
            raise invalid(["body", "env_vars"], "Should be an object of strings", "dict_type")
        if body.get("source_type") not in (None, "python"):
            raise BadRequest("Tools are written in Python here; other languages are not run.")
        if body.get("pip_requirements") or body.get("npm_requirements"):
            raise BadRequest("Packages are installed when a tool is saved, never for a trial: leave them out.")
        asked = {"source": source, "args": arguments_of(body), "variables": variables}
        return asked | {"schema": derived_schema(source)}

    return await _answered(await in_thread(question))


@only("POST")
async def run_of_agent(request: HttpRequest, agent_id: str, tool_name: str) -> HttpResponseBase:
    """A tool of the agent, with its variables. Nothing of it is told to the agent."""

    def question() -> dict[str, Any]:
        agent = one(principal_of(request.headers.get("Authorization")), Agent, agent_id)
        tool = agent.tools.filter(name=tool_name).first()
        if tool is None:
            raise NotFound("Tool", tool_name)
        if tool.is_of_server:
            raise BadRequest(f"{tool_name} is a tool of this server, which works on an agent's turn and runs in one.")
        return {"args": arguments_of(json_body(request)), "agent": agent_id, "tool": tool.id}

    return await _answered(await in_thread(question))


def arguments_of(body: dict[str, Any]) -> dict[str, Any]:
    given = body.get("args")
    if given is not None and not isinstance(given, dict):
        raise invalid(["body", "args"], "Should be an object", "dict_type")
    return given or {}


async def _answered(question: dict[str, Any]) -> HttpResponseBase:
    try:
        return JsonResponse(answer_of(await asked(run_tool, question, RUN_SECONDS)))
    except NobodyAnswers as error:
        return unserved(error)
