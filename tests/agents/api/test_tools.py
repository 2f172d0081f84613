"""Tools of an organization's own: made from source, changed, found, and attached beside those of the server."""

import re
from typing import Any

import pytest

from tools import catalog
from tools.models import Tool

ROLL_DICE = '''
import random

def sides(num_sides: int) -> range:
    return range(1, num_sides + 1)

def roll_dice(num_sides: int = 6) -> int:
    """Roll a die.

    Args:
        num_sides (int): How many sides it has.

    Returns:
        int: What it shows.
    """
    return random.choice(sides(num_sides))
'''

NUMBER = {"type": "object", "properties": {"n": {"type": "integer", "description": "A number."}}, "required": ["n"]}


def source(name: str, says: str = "Do it.") -> str:
    return f'def {name}():\n    """{says}"""\n'


@pytest.fixture
def roll_dice(acme) -> dict[str, Any]:
    return acme.post("tools/", {"source_code": ROLL_DICE, "tags": ["games"]})


def installed(acme, name: str) -> dict[str, Any]:
    return next(tool for tool in acme.get(f"tools/?name={name}") if tool["source_code"] is None)


class TestCreate:
    def test_everything_comes_from_the_source(self, roll_dice) -> None:
        assert re.fullmatch(r"tool-[0-9a-f-]{36}", roll_dice["id"])
        assert (roll_dice["name"], roll_dice["tool_type"], roll_dice["source_type"]) == (
            "roll_dice",
            "custom",
            "python",
        )
        assert roll_dice["source_code"] == ROLL_DICE
        assert roll_dice["json_schema"] == {
            "name": "roll_dice",
            "description": "Roll a die.",
            "parameters": {
                "type": "object",
                "properties": {"num_sides": {"type": "integer", "description": "How many sides it has.", "default": 6}},
                "required": [],
            },
        }

    def test_and_the_rest_from_the_client(self, acme) -> None:
        said = {
            "description": "Throw.",
            "tags": ["games"],
            "return_char_limit": 10,
            "default_requires_approval": True,
            "enable_parallel_execution": True,
        }
        made = acme.post("tools/", {"source_code": ROLL_DICE} | said)
        assert {name: made[name] for name in said} == said
        assert made["json_schema"]["description"] == "Throw."

    @pytest.mark.parametrize("method", ["POST", "PUT"])
    def test_the_same_name_overwrites(self, acme, roll_dice, method) -> None:
        again = acme.told(method, "tools/", {"source_code": source("roll_dice", "Another.")})
        assert again["id"] == roll_dice["id"]
        assert (again["description"], again["json_schema"]["parameters"]["properties"]) == ("Another.", {})
        assert again["tags"] == ["games"]
        assert len(acme.get("tools/?name=roll_dice")) == 1

    def test_another_organization_has_its_own(self, acme, globex, roll_dice) -> None:
        assert globex.post("tools/", {"source_code": ROLL_DICE})["id"] != roll_dice["id"]

    def test_given_arguments(self, acme) -> None:
        made = acme.post("tools/", {"source_code": "def f(n): ...", "args_json_schema": NUMBER})
        assert made["args_json_schema"] == made["json_schema"]["parameters"] == NUMBER

    def test_a_given_schema(self, acme) -> None:
        schema = {"name": "shown", "description": "Seen.", "parameters": NUMBER}
        made = acme.post("tools/", {"source_code": "def f(n): ...", "json_schema": schema})
        assert (made["name"], made["description"], made["json_schema"]) == ("shown", "Seen.", schema)


class TestRefused:
    @pytest.mark.parametrize(
        ("code", "text"),
        [
            ("x = 1", "Line 1: no function found"),
            ("def f(:", "Line 1: this is not valid Python"),
            ("def f(): ...", "function 'f' has no docstring"),
            ("def f(a: int):\n    'Do.'", "argument 'a' of function 'f' is not described"),
            ("def f(a):\n    'Do.'", "has no type"),
            ("def f(a: bytes):\n    '''Do.\n\n    Args:\n        a: x\n    '''", "type `bytes` has no counterpart"),
        ],
    )
    @pytest.mark.parametrize("path", ["tools/", "tools/generate-schema"])
    def test_a_source_without_schema(self, acme, path, code, text) -> None:
        said = acme.refused(400, "POST", path, {"source_code": code, "code": code})
        assert said.startswith("Failed to derive json schema: Line ")
        assert text in said

    @pytest.mark.parametrize(
        ("fields", "place"),
        [
            ({"source_code": 5}, ["source_code"]),
            ({"source_type": "typescript"}, ["source_type"]),
            ({"tags": "games"}, ["tags"]),
            ({"return_char_limit": 0}, ["return_char_limit"]),
            ({"default_requires_approval": "perhaps"}, ["default_requires_approval"]),
            ({"json_schema": []}, ["json_schema"]),
            ({"json_schema": {"name": "two words"}}, ["json_schema", "name"]),
            ({"json_schema": {"name": "f", "description": 5}}, ["json_schema", "description"]),
            ({"json_schema": {"name": "f", "parameters": {"type": "array"}}}, ["json_schema", "parameters"]),
            ({"args_json_schema": {"type": "object", "properties": 5}}, ["args_json_schema"]),
            ({"pip_requirements": ["numpy"]}, ["pip_requirements", 0]),
        ],
    )
    def test_a_malformed_field(self, acme, fields, place) -> None:
        [problem] = acme.refused(422, "POST", "tools/", {"source_code": ROLL_DICE} | fields)
        assert problem["loc"] == ["body", *place]

    def test_a_schema_that_is_nested_too_deeply(self, acme) -> None:
        deep: dict[str, Any] = {"type": "object"}
        for _ in range(70):
            deep = {"type": "object", "properties": {"a": deep}}
        [problem] = acme.refused(422, "POST", "tools/", {"source_code": ROLL_DICE, "args_json_schema": deep})
        assert problem["loc"] == ["body", "args_json_schema"]
        assert "levels deep" in problem["msg"]

    def test_nothing(self, acme) -> None:
        assert acme.refused(422, "POST", "tools/", {})[0]["loc"] == ["body", "source_code"]

    @pytest.mark.parametrize("field", ["pip_requirements", "npm_requirements"])
    def test_packages(self, acme, field) -> None:
        said = acme.refused(400, "POST", "tools/", {"source_code": ROLL_DICE, field: [{"name": "x"}]})
        assert f"leave {field} out" in said
        assert acme.post("tools/", {"source_code": ROLL_DICE, field: []})["name"] == "roll_dice"

    def test_nothing_of_it_is_kept(self, acme) -> None:
        acme.refused(400, "POST", "tools/", {"source_code": "x = 1"})
        assert not Tool.objects.filter(source_code__isnull=False).exists()


class TestChange:
    def test_a_new_source_brings_its_schema_and_name(self, acme, roll_dice) -> None:
        path = f"tools/{roll_dice['id']}"
        changed = acme.patch(path, {"source_code": source("throw", "Throw it.")})
        assert (changed["id"], changed["name"], changed["description"]) == (roll_dice["id"], "throw", "Throw it.")
        assert changed["json_schema"]["parameters"]["properties"] == {}
        assert acme.get(path) == changed

    def test_a_given_schema_stays(self, acme, roll_dice) -> None:
        schema = {"name": "roll_dice", "description": "Mine.", "parameters": NUMBER}
        body = {"source_code": source("roll_dice"), "json_schema": schema}
        assert acme.patch(f"tools/{roll_dice['id']}", body)["json_schema"] == schema

    def test_a_description_is_shown_to_models(self, acme, roll_dice) -> None:
        changed = acme.patch(f"tools/{roll_dice['id']}", {"description": "New."})
        assert (changed["description"], changed["json_schema"]["description"]) == ("New.", "New.")
        assert changed["json_schema"]["parameters"] == roll_dice["json_schema"]["parameters"]

    def test_arguments_alone(self, acme, roll_dice) -> None:
        changed = acme.patch(f"tools/{roll_dice['id']}", {"args_json_schema": NUMBER})
        assert changed["json_schema"] == roll_dice["json_schema"] | {"parameters": NUMBER}

    def test_the_rest_stays(self, acme, roll_dice) -> None:
        changed = acme.patch(f"tools/{roll_dice['id']}", {"metadata_": {"a": 1}, "description": None})
        assert changed == roll_dice | {"metadata_": {"a": 1}}

    def test_a_name_that_is_taken(self, acme, roll_dice) -> None:
        acme.post("tools/", {"source_code": source("other")})
        path = f"tools/{roll_dice['id']}"
        assert "called 'other'" in acme.refused(409, "PATCH", path, {"source_code": source("other")})
        assert acme.get(path) == roll_dice

    def test_a_name_that_the_agent_knows_already(self, acme, roll_dice) -> None:
        acme.agent(tools=["send_message"], tool_ids=[roll_dice["id"]])
        body = {"source_code": source("send_message")}
        assert "already holds another" in acme.refused(409, "PATCH", f"tools/{roll_dice['id']}", body)

    def test_delete(self, acme, roll_dice) -> None:
        agent = acme.agent(tool_ids=[roll_dice["id"]])
        path = f"tools/{roll_dice['id']}"
        assert acme.told("DELETE", path) is None
        assert acme.get(f"agents/{agent['id']}/tools") == []
        assert "not found" in acme.refused(404, "DELETE", path)


class TestOfTheServer:
    """Weakness of the archived server: a tool with a built-in's name took its place for everybody."""

    def test_an_own_tool_of_the_same_name_is_another(self, acme) -> None:
        before = installed(acme, "send_message")
        own = acme.post("tools/", {"source_code": source("send_message")})
        assert own["id"] != before["id"]
        assert installed(acme, "send_message") == before
        assert len(acme.get("tools/?name=send_message")) == 2

    @pytest.mark.parametrize("listed_before", [True, False])
    def test_names_mean_the_servers_and_ids_are_exact(self, acme, listed_before) -> None:
        if listed_before:
            catalog.ensure(acme.organization.id)
        own = acme.post("tools/", {"source_code": source("send_message")})
        [named] = acme.agent(tools=["send_message"])["tools"]
        assert named["tool_type"] == "letta_core"
        [exact] = acme.agent(tools=["send_message"], tool_ids=[own["id"]])["tools"]
        assert exact["id"] == own["id"]

    def test_own_tools_are_attached_by_name_too(self, acme, roll_dice) -> None:
        assert [tool["id"] for tool in acme.agent(tools=["roll_dice"])["tools"]] == [roll_dice["id"]]

    def test_it_is_limited_and_tagged_but_not_rewritten(self, acme) -> None:
        path = f"tools/{installed(acme, 'send_message')['id']}"
        assert acme.patch(path, {"return_char_limit": 9, "tags": ["x"]})["return_char_limit"] == 9
        for change in ({"source_code": source("f")}, {"description": "x"}, {"json_schema": {"name": "f"}}):
            assert "is a function of this server" in acme.refused(400, "PATCH", path, change)

    def test_it_cannot_be_deleted(self, acme) -> None:
        path = f"tools/{installed(acme, 'send_message')['id']}"
        assert "Detach it" in acme.refused(400, "DELETE", path)

    def test_one_that_is_no_longer_installed_can(self, acme) -> None:
        gone = Tool.objects.create(organization=acme.organization, name="gone")
        acme.told("DELETE", f"tools/{gone.id}")

    def test_a_new_version_describes_it_anew(self, acme) -> None:
        before = installed(acme, "send_message")
        Tool.objects.filter(id=before["id"]).update(json_schema={}, description="", tags=["mine"])
        assert installed(acme, "send_message") == before | {"tags": ["mine"]}

    def test_add_base_tools(self, acme, roll_dice) -> None:
        names = [tool["name"] for tool in acme.post("tools/add-base-tools")]
        assert "send_message" in names
        assert "roll_dice" not in names


class TestOfAnAgent:
    @pytest.fixture
    def own(self, acme) -> dict[str, Any]:
        return acme.post("tools/", {"source_code": source("send_message")})

    def held(self, acme, agent: dict[str, Any]) -> list[str]:
        return [tool["id"] for tool in acme.get(f"agents/{agent['id']}/tools")]

    def test_what_is_attached_takes_the_place_of_its_namesake(self, acme, own) -> None:
        agent, other = acme.agent(tools=["send_message"]), acme.agent(tools=["send_message"])
        [builtin] = self.held(acme, agent)
        assert acme.patch(f"agents/{agent['id']}/tools/attach/{own['id']}") is None
        assert self.held(acme, agent) == [own["id"]]
        acme.patch(f"agents/{agent['id']}/tools/attach/{builtin}")
        assert self.held(acme, agent) == [builtin] == self.held(acme, other)

    def test_attach_twice_and_detach(self, acme, roll_dice) -> None:
        agent = acme.agent()
        for _ in range(2):
            acme.patch(f"agents/{agent['id']}/tools/attach/{roll_dice['id']}")
        assert self.held(acme, agent) == [roll_dice["id"]]
        acme.patch(f"agents/{agent['id']}/tools/detach/{roll_dice['id']}")
        assert self.held(acme, agent) == []

    def test_a_whole_new_set(self, acme, own) -> None:
        agent = acme.agent(tools=["send_message"])
        acme.patch(f"agents/{agent['id']}", {"tool_ids": [own["id"]]})
        assert self.held(acme, agent) == [own["id"]]

    def rules(self, acme, agent: dict[str, Any]) -> list[dict[str, Any]]:
        return acme.get(f"agents/{agent['id']}")["tool_rules"]

    def test_approval(self, acme) -> None:
        kept = {"type": "exit_loop", "tool_name": "send_message"}
        agent = acme.agent(tools=["send_message"], tool_rules=[kept])
        path = f"agents/{agent['id']}/tools/approval/send_message"
        for _ in range(2):
            assert acme.patch(path, {"requires_approval": True}) is None
        assert self.rules(acme, agent) == [kept, {"type": "requires_approval", "tool_name": "send_message"}]
        acme.patch(f"{path}?requires_approval=false")
        assert self.rules(acme, agent) == [kept]

    def test_approval_of_what_it_has_not(self, acme) -> None:
        agent = acme.agent()
        path = f"agents/{agent['id']}/tools/approval/send_message"
        assert "Tool with ID send_message" in acme.refused(404, "PATCH", path, {"requires_approval": True})

    @pytest.mark.parametrize("body", [{}, {"requires_approval": None}, {"requires_approval": "later"}])
    def test_approval_unsaid(self, acme, body) -> None:
        agent = acme.agent(tools=["send_message"])
        path = f"agents/{agent['id']}/tools/approval/send_message"
        assert acme.refused(422, "PATCH", path, body)[0]["loc"] == ["body", "requires_approval"]

    def test_a_tool_that_asks_by_default_brings_the_rule(self, acme) -> None:
        tool = acme.post("tools/", {"source_code": ROLL_DICE, "default_requires_approval": True})
        rule = {"type": "requires_approval", "tool_name": "roll_dice"}
        agent, created_with = acme.agent(), acme.agent(tool_ids=[tool["id"]])
        for _ in range(2):
            acme.patch(f"agents/{agent['id']}/tools/attach/{tool['id']}")
        assert self.rules(acme, agent) == self.rules(acme, created_with) == [rule]


class TestFind:
    @pytest.fixture(autouse=True)
    def tools(self, acme, roll_dice) -> None:
        says = "Tells the weather of a town, such as whether it rains."
        acme.post("tools/", {"source_code": source("forecast", says), "tags": ["sky"]})

    def names(self, acme, query: str) -> set[str]:
        return {tool["name"] for tool in acme.get(f"tools/?{query}")}

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("name=forecast", {"forecast"}),
            ("names=forecast&names=roll_dice", {"forecast", "roll_dice"}),
            ("tool_types=custom&tool_types=external_mcp&names=forecast&names=send_message", {"forecast"}),
            ("tool_types=external_mcp,external_composio", set()),
            ("search=CAST", {"forecast"}),
            ("tags=sky", {"forecast"}),
            ("return_only_letta_tools=true&search=send_message&tool_types=letta_core", {"send_message"}),
            ("return_only_letta_tools=true&search=cast", set()),
            ("exclude_tool_types=custom&search=roll", set()),
            ("exclude_tool_types=letta_core,letta_multi_agent_core&search=send", set()),
        ],
    )
    def test_filters(self, acme, query, found) -> None:
        assert self.names(acme, query) == found

    def test_ids(self, acme, roll_dice) -> None:
        forecast = acme.get("tools/?name=forecast")[0]
        assert self.names(acme, f"tool_ids={roll_dice['id']},{forecast['id']}") == {"roll_dice", "forecast"}

    @pytest.mark.parametrize("order", ["asc", "desc"])
    def test_pages(self, acme, order) -> None:
        whole = [tool["id"] for tool in acme.get(f"tools/?order={order}&limit=100")]
        paged, after = [], ""
        while part := acme.get(f"tools/?order={order}&limit=3{after}"):
            paged += [tool["id"] for tool in part]
            after = f"&after={paged[-1]}"
        assert paged == whole
        assert whole[-4:-1] == [t["id"] for t in acme.get(f"tools/?order={order}&limit=3&before={whole[-1]}")]

    def test_only_by_creation(self, acme) -> None:
        acme.refused(422, "GET", "tools/?order_by=name")

    @pytest.mark.parametrize("query", ["dice", "rolling", "games", "roll_dice"])
    def test_search_in_name_description_and_tags(self, acme, query) -> None:
        [best, *_] = acme.post("tools/search", {"query": query})
        assert best["tool"]["name"] == "roll_dice"
        assert best["fts_rank"] == 1
        assert best["combined_score"] > 0

    def test_search_narrowed(self, acme) -> None:
        def found(**fields: Any) -> list[str]:
            return [row["tool"]["name"] for row in acme.post("tools/search", fields)]

        assert found(query="weather", tags=["games"]) == []
        assert found(query="weather", tool_types=["letta_core"]) == []
        assert found(tags=["sky", "sea"]) == ["forecast"]
        assert len(found(limit=2)) == 2
        assert found(query="zeppelin") == []
        assert {row["fts_rank"] for row in acme.post("tools/search", {})} == {None}

    def test_search_asked_wrongly(self, acme) -> None:
        assert acme.refused(422, "POST", "tools/search", {"search_mode": "guess"})[0]["loc"] == ["body", "search_mode"]


def test_generate_schema_keeps_nothing(acme) -> None:
    assert acme.post("tools/generate-schema", {"code": ROLL_DICE})["name"] == "roll_dice"
    assert acme.get("tools/?name=roll_dice") == []


class TestToolsThatTheServerLacksSomethingFor:
    """web_search, without a search engine."""

    def names(self, acme) -> set[str]:
        lists = [acme.get("tools/?limit=200"), acme.post("tools/add-base-tools")]
        lists.append([found["tool"] for found in acme.post("tools/search", {"query": "web search", "limit": 100})])
        names = [{tool["name"] for tool in found} & {"web_search", "fetch_webpage"} for found in lists]
        assert names[0] == names[1] == names[2]
        return names[0]

    def test_they_are_in_no_list_and_attaching_one_says_why(self, acme, settings) -> None:
        settings.SEARCH_SETTINGS = {}
        assert self.names(acme) == {"fetch_webpage"}
        detail = acme.refused(400, "POST", "agents/", {"model": "demo/scripted", "tools": ["web_search"]})
        assert "web_search cannot be used. No search engine is set up on this server." in str(detail)
        settings.SEARCH_SETTINGS = {"EXA_API_KEY": "k"}
        assert self.names(acme) == {"fetch_webpage", "web_search"}
        assert acme.agent(tools=["web_search"])["tools"][0]["tool_type"] == "letta_builtin"
        settings.SEARCH_SETTINGS = {}
        assert self.names(acme) == {"fetch_webpage"}
