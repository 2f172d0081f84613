"""What an agent may be told of itself: time zones that there are, tags once each, rules for tools that come later."""

import pytest


@pytest.mark.parametrize("name", ["Mars/X", "America", "../etc", "Europe/Vienna\0", "UTC+2"])
def test_a_time_zone_that_there_is_not_is_refused(acme, name):
    agent = acme.agent(timezone="Europe/Vienna")
    for method, path in (("POST", "agents/"), ("PATCH", f"agents/{agent['id']}")):
        [problem] = acme.refused(422, method, path, {"timezone": name})
        assert problem["loc"] == ["body", "timezone"]
        assert "for example Europe/Vienna" in problem["msg"]
    acme.refused(422, "POST", "agents/", {"timezone": ""})
    assert acme.patch(f"agents/{agent['id']}", {"timezone": None})["timezone"] == "Europe/Vienna"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("agents/", {"model": "demo/scripted"}),
        ("blocks/", {"label": "human", "value": ""}),
        ("tools/", {"source_code": 'def hum() -> str:\n    """Hum."""\n    return "hm"\n'}),
    ],
)
def test_a_tag_is_kept_once(acme, path, body):
    made = acme.post(path, body | {"tags": ["b", "a", "b"]})
    assert made["tags"] == ["b", "a"]
    changed = acme.patch(f"{path}{made['id']}?include=agent.tags", {"tags": ["c", "c", "a"]})
    assert changed["tags"] == ["c", "a"]


def test_a_passage_has_a_tag_once(acme):
    [made] = acme.post(f"agents/{acme.agent()['id']}/archival-memory", {"text": "x", "tags": ["b", "a", "b"]})
    assert made["tags"] == ["b", "a"]


def test_a_rule_may_come_before_its_tool(acme):
    rule = {"type": "run_first", "tool_name": "comes_later"}
    assert acme.agent(tool_rules=[rule])["tool_rules"] == [rule]


def test_a_label_of_origin_is_changed_alone(acme):
    agent = acme.agent(project_id="p", template_id="t")
    changed = acme.patch(f"agents/{agent['id']}", {"template_id": "u"})
    assert (changed["project_id"], changed["template_id"]) == ("p", "u")
