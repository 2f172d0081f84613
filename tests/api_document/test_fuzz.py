"""A fuzzer follows the document through the whole API: whatever it sends, the answer is one that is documented."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from agents.api.openapi.document import document
from tests.api_document.world import World, operations

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
SCHEMA = from_dict(document())
OPERATIONS = operations()


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_is_documented(world: World, name: str) -> None:
    fuzz(world, name, examples=12)


@pytest.mark.faults
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_is_documented_at_length(world: World, name: str) -> None:
    fuzz(world, name, examples=300)


def fuzz(world: World, name: str, examples: int) -> None:
    method, path, _ = OPERATIONS[name]
    operation = SCHEMA[path][method]
    valid, invalid = (operation.as_strategy(generation_mode=mode) for mode in GenerationMode)

    @seed(0)
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
            timeout=60,
        )
        case.validate_response(response, checks=CHECKS)
        assert is_fine(response), (case.as_curl_command(), response.text, world.server.web.tail())

    ask()


def is_fine(response: Any) -> bool:
    """Not an error of the server: neither its own, nor of a run that failed for another reason than its model."""
    if response.status_code < 500 or response.status_code == 501:
        return True
    return response.status_code != 503 and response.json().get("error", {}).get("type", "").startswith("llm_")
