"""A fuzzer follows the document through the whole API: whatever it sends, the answer is one that is documented."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from agents.api.openapi.document import document
from tests.api_document.examples import BODIES
from tests.api_document.schemas import is_fault
from tests.api_document.world import World, operations

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
REACH_OUT = ("mcp_servers.create", "mcp_servers.update")  # to any URL that a fuzzer thinks of
SCHEMA = from_dict(document())
OPERATIONS = operations()


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_is_documented(world: World, name: str) -> None:
    fuzz(world, name, examples=5)


@pytest.mark.thorough
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_is_documented_at_length(world: World, name: str) -> None:
    fuzz(world, name, examples=100)


def fuzz(world: World, name: str, examples: int) -> None:
    method, path, _ = OPERATIONS[name]
    operation = SCHEMA[path][method]
    options = {"body": BODIES[name]} if name in REACH_OUT else {}
    valid, invalid = (operation.as_strategy(generation_mode=mode, **options) for mode in GenerationMode)

    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=valid | invalid, is_there=st.booleans())
    def ask(case: Any, is_there: bool) -> None:
        if is_there and case.path_parameters:
            case.path_parameters = world.ids_for(method, path)
        response = case.call(
            base_url=world.server.web.url,
            session=world.session,
            headers={"Authorization": f"Bearer {world.server.key}"},
            timeout=20,
        )
        case.validate_response(response, checks=CHECKS)
        assert not is_fault(response), (case.as_curl_command(), response.text, world.server.web.tail())

    ask()
