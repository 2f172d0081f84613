"""Registration of trusted functions as tools."""

import subprocess
import sys

import pytest

from tools import registry
from tools.registry import RegistrationError, tool
from tools.schema import SchemaError

SAMPLES = "tests.tools.sample_tools"


@pytest.fixture(autouse=True)
def _loaded() -> None:
    registry.load([SAMPLES])


def test_a_registered_tool_is_found_by_its_name() -> None:
    found = registry.find("sample_echo")
    assert found is not None
    assert (found.spec.name, found.spec.effect, found.spec.idempotent) == ("sample_echo", "effect", True)
    assert found.spec.parallel is True
    assert (found.tool_type, found.tags, found.takes_context) == ("custom", ("sample",), False)
    assert found.spec.parameters["properties"] == {"value": {"type": "object", "description": "Anything."}}
    assert found.function(value={"a": 1}) == {"a": 1}


def test_the_context_is_not_shown_to_the_model() -> None:
    found = registry.find("sample_note")
    assert found is not None
    assert found.takes_context
    assert list(found.spec.parameters["properties"]) == ["text"]


def test_an_unknown_name_is_none() -> None:
    assert registry.find("nope") is None


def test_loading_again_changes_nothing() -> None:
    before = registry.registered()
    registry.load([SAMPLES])
    assert registry.registered() == before


def test_registered_gives_all_tools_by_name() -> None:
    names = [found.spec.name for found in registry.registered()]
    assert names == sorted(names)
    assert {"send_message", "sample_echo"} <= set(names)


def test_a_second_tool_of_a_name_is_an_error() -> None:
    def sample_echo() -> None:
        """Another one."""

    with pytest.raises(
        RegistrationError, match=r"Two tools are 'sample_echo': tests\.tools\.sample_tools and tests\..*test_"
    ):
        tool(effect="read")(sample_echo)


def test_a_coroutine_function_is_an_error() -> None:
    async def sample_async() -> None:
        """Do."""

    with pytest.raises(RegistrationError, match="plain functions"):
        tool(effect="read")(sample_async)
    assert registry.find("sample_async") is None


def test_a_function_without_schema_is_an_error() -> None:
    def sample_bare(a): ...

    with pytest.raises(SchemaError):
        tool(effect="read")(sample_bare)
    assert registry.find("sample_bare") is None


def test_a_missing_module_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        registry.load(["nowhere.tools"])


def test_the_pure_modules_import_no_django() -> None:
    pure = "import tools.registry, tools.arguments, tools.schema, tools.spec, memory.core"
    check = f"import sys; {pure}; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
