"""How an agent sees files: open and closed, by lines that match, by what they say."""

import time

import pytest

from agents import files as reading
from agents import folders
from agents.files import Files, Wanted
from agents.llm.registry import context_window
from agents.loading import load_state
from agents.models import Agent, AgentFile, AgentFolder, Message
from agents.prompt import compiled_prompt, equipped, prompt_fingerprint
from memory import files as stored
from memory import vectors
from memory.files import Upload, keep, make_folder
from memory.models import File
from tests.agents import given
from tests.agents.loop.doubles import calls, says
from tests.fakellm.embeddings import vector
from tools.spec import ToolError

NONE = {"embedding": None, "dimension": None}
PUMP = "# Pumps\n\nA pump moves water.\nNever run it dry.\n"
VALVE = "# Valves\n\nA valve stops water."


in_commits = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(db):
    return given.agent()


@pytest.fixture
def folder(agent):
    made = make_folder(agent.organization_id, "Manuals", NONE, description="Of machines.")
    folders.attach(agent, [made])
    return made


def add(folder, name, text):
    """A file that was uploaded and read."""
    file, _ = keep(folder, Upload(name, name, "", "text", b"x"), "suffix", None)
    folders.show(file)
    claimed = stored.claim(60)
    assert stored.store(claimed, text)
    stored.complete()
    return File.objects.get(id=file.id)


def of(agent, **fields):
    Agent.objects.filter(id=agent.id).update(**fields)
    return Files(Agent.objects.get(id=agent.id))


def opened(agent):
    rows = AgentFile.objects.filter(agent=agent, is_open=True).select_related("file").order_by("accessed_at")
    return [row.file.name for row in rows]


def window(agent, name):
    row = AgentFile.objects.get(agent=agent, file__name=name)
    return row.first_line, row.last_line, row.window


def open_names(agent, *names, **fields):
    return of(agent, **fields).open([{"file_name": name} for name in names], False)


def prompt(agent):
    place = given.place(agent)
    return compiled_prompt(equipped(place), place, 0)


def fingerprint(agent):
    return prompt_fingerprint(equipped(given.place(agent)))


# Attached and detached


def test_with_the_first_folder_come_the_tools_and_with_the_last_they_go(agent, folder):
    other = make_folder(agent.organization_id, "Other", NONE)
    folders.attach(agent, [other])
    assert sorted(agent.tools.values_list("name", flat=True)) == sorted(folders.FILE_TOOLS)
    folders.detach(agent, [folder])
    assert agent.tools.count() == 3
    folders.detach(agent, [other])
    assert agent.tools.count() == 0


def test_a_folder_that_is_deleted_leaves_no_tools_behind(agent, folder):
    reader = given.agent(organization=agent.organization)
    other = make_folder(agent.organization_id, "Other", NONE)
    folders.attach(reader, [folder, other])
    folders.delete(folder)
    assert (agent.tools.count(), reader.tools.count()) == (0, 3)


def test_a_file_has_a_row_for_every_agent_of_its_folder(agent, folder):
    add(folder, "pump.md", PUMP)
    reader = given.agent(organization=agent.organization)
    folders.attach(reader, [folder])
    folders.attach(reader, [folder])
    add(folder, "valve.md", VALVE)
    assert AgentFile.objects.filter(agent=agent).count() == AgentFile.objects.filter(agent=reader).count() == 2
    folders.detach(reader, [folder])
    assert not AgentFile.objects.filter(agent=reader).exists()
    assert AgentFolder.objects.filter(agent=agent).exists()


# Open and closed


def test_a_window_on_a_file(agent, folder):
    add(folder, "pump.md", PUMP)
    change = Files(agent).open([{"file_name": "Manuals/pump.md", "offset": 2, "length": 2}], False)
    assert change.opened == ["Manuals/pump.md, lines 3 to 4 of 5"]
    assert window(agent, "pump.md") == (3, 4, "A pump moves water.\nNever run it dry.")
    open_names(agent, "pump.md")
    assert window(agent, "pump.md") == (1, 5, PUMP)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (100, (1, 3, "a" * 9 + "\n" + "b" * 9 + "\n" + "c" * 9)),
        (20, (1, 2, "a" * 9 + "\n" + "b" * 9)),
        (4, (1, 1, "a" * 4)),
    ],
)
def test_a_window_has_whole_lines_as_far_as_there_is_room(agent, folder, limit, expected):
    add(folder, "x", "\n".join(letter * 9 for letter in "abc"))
    open_names(agent, "x", per_file_view_window_char_limit=limit)
    assert window(agent, "x") == expected


def test_the_file_that_was_left_alone_for_longest_makes_room(agent, folder):
    for name in "abc":
        add(folder, name, VALVE)
    open_names(agent, "a", max_files_open=2)
    open_names(agent, "b")
    open_names(agent, "a")
    assert open_names(agent, "c").closed == ["Manuals/b"]
    assert opened(agent) == ["a", "c"]
    assert window(agent, "b") == (None, None, None)


def test_all_others_are_closed_on_request(agent, folder):
    for name in "abc":
        add(folder, name, VALVE)
    open_names(agent, "a", "b")
    assert Files(agent).open([{"file_name": "c"}], True).closed == ["Manuals/a", "Manuals/b"]
    assert opened(agent) == ["c"]


def test_files_are_closed(agent, folder):
    made = {name: add(folder, name, VALVE) for name in "abc"}
    open_names(agent, "a", "b", "c")
    assert Files(agent).close([made["b"].id]) == ["Manuals/b"]
    assert Files(agent).close([made["b"].id]) == []
    assert sorted(Files(agent).close()) == ["Manuals/a", "Manuals/c"]


def test_other_limits_fit_what_is_open(agent, folder):
    for name in "abc":
        add(folder, name, "one\ntwo\nthree")
    open_names(agent, "a", "b", "c", per_file_view_window_char_limit=4)
    assert window(agent, "c") == (1, 1, "one")
    of(agent, per_file_view_window_char_limit=100, max_files_open=2).fit()
    assert opened(agent) == ["b", "c"]
    assert window(agent, "c") == (1, 3, "one\ntwo\nthree")


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"file_name": "nowhere"}, "no file 'nowhere'. There are: Manuals/pump.md, Other/pump.md"),
        ({"file_name": "pump.md"}, "Name one of Manuals/pump.md, Other/pump.md"),
        ({"file_name": "Manuals/pump.md", "offset": 5}, "has 5 lines; an offset of 5 leaves none"),
        ({"file_name": "Manuals/pump.md", "offset": -1}, "number of lines from 0"),
        ({"file_name": "Manuals/pump.md", "length": 0}, "one from 1"),
        ({"file_name": "Manuals/pump.md", "length": 2**40}, "one from 1"),
        ({"file_name": "Manuals/pump.md", "offset": True}, "number of lines from 0"),
        ({"path": "x"}, "no 'path'"),
        ({"offset": 1}, "file_name is missing"),
        ({"file_name": 7}, "file_name is missing"),
    ],
)
def test_what_cannot_be_opened_is_said_and_changes_nothing(agent, folder, request_, why):
    other = make_folder(agent.organization_id, "Other", NONE)
    folders.attach(agent, [other])
    for place in (folder, other):
        add(place, "pump.md", PUMP)
    with pytest.raises(ToolError, match=why):
        Files(agent).open([{"file_name": "Other/pump.md"}, request_], False)
    assert opened(agent) == []


def test_more_than_can_be_open_is_refused(agent, folder):
    for name in "abc":
        add(folder, name, VALVE)
    with pytest.raises(ToolError, match="3 files are more than can be open at once: 2"):
        open_names(agent, "a", "b", "c", max_files_open=2)
    with pytest.raises(ToolError, match="at least one"):
        Files(agent).open([], False)


def test_what_was_not_read_yet_cannot_be_opened(agent, folder):
    file, _ = keep(folder, Upload("new", "new", "", "text", b"x"), "suffix", None)
    folders.show(file)
    with pytest.raises(ToolError, match="no files that have been read"):
        open_names(agent, "new")
    with pytest.raises(ToolError, match="has not been read yet"):
        Files(agent).open_ids({file.id: Wanted("new")})


# Lines


def grep(agent, pattern, include=None, context=0, offset=0):
    return Files(agent).grep(pattern, include, context, offset)


def test_lines_that_match(agent, folder):
    add(folder, "pump.md", PUMP)
    add(folder, "valve.md", VALVE)
    assert grep(agent, "WATER|dry") == (
        "3 lines match; these are 1 to 3. `>` marks them.\n\nManuals/pump.md\n> 3: A pump moves water.\n"
        "> 4: Never run it dry.\n\nManuals/valve.md\n> 3: A valve stops water."
    )
    assert grep(agent, "(?c)WATER") == "No line matches."
    assert "valve.md" not in grep(agent, "water", "pump*")
    assert "pump.md" not in grep(agent, "water", "Manuals/V*")


def test_lines_around_a_match(agent, folder):
    add(folder, "x", "\n".join(f"line {number}" for number in range(1, 30)))
    assert grep(agent, "line (5|7|20)$", context=1).splitlines()[3:] == [
        *("  4: line 4", "> 5: line 5", "  6: line 6", "> 7: line 7", "  8: line 8", "..."),
        *("  19: line 19", "> 20: line 20", "  21: line 21"),
    ]


def test_matches_come_in_pages(agent, folder):
    add(folder, "x", "\n".join(["yes"] * 45))
    assert grep(agent, "yes").endswith("> 20: yes\n\nGo on with offset=20.")
    assert grep(agent, "yes", offset=40).endswith("> 45: yes")
    assert grep(agent, "yes", offset=45) == "No more lines match."


def test_a_long_line_is_cut(agent, folder):
    add(folder, "x", "needle" + "x" * 10_000)
    assert "… (10006 characters)" in grep(agent, "needle")


def test_a_pattern_that_takes_for_ever_is_stopped(agent, folder, monkeypatch):
    monkeypatch.setattr(reading, "GREP_SECONDS", 0.2)
    add(folder, "x", "ab" * 2_000 + "c")
    began = time.monotonic()
    with pytest.raises(ToolError, match=r"longer than 0.2 s and was stopped"):
        grep(agent, r"^(.+)(.+)\1\2(.+)\3$")
    assert time.monotonic() - began < 5
    assert grep(agent, "b$") == "No line matches."


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"pattern": "(x"}, "is not understood: .*parentheses"),
        ({"pattern": ""}, "1 to 1000 characters"),
        ({"pattern": "x" * 1_001}, "1 to 1000 characters"),
        ({"pattern": "x", "include": "*.nothing"}, r"No file fits '\*.nothing'. There are: Manuals/x"),
        ({"pattern": "x", "include": "[" * 1_001}, "`include` has at most 1000 characters"),
        ({"pattern": "x", "context": 21}, "0 to 20"),
        ({"pattern": "x", "offset": -1}, "not negative"),
    ],
)
def test_what_cannot_be_looked_for_is_said(agent, folder, arguments, why):
    add(folder, "x", "x")
    with pytest.raises(ToolError, match=why):
        grep(agent, **arguments)


def test_without_files_it_is_said(agent):
    with pytest.raises(ToolError, match="no files that have been read"):
        grep(agent, "x")


# Meaning


def test_passages_are_found_by_words_and_by_vectors(agent):
    made = make_folder(agent.organization_id, "Manuals", {"embedding": "fake/a", "dimension": 64})
    folders.attach(agent, [made])
    add(made, "pump.md", PUMP)
    add(made, "valve.md", VALVE)
    for one in vectors.claim():
        vectors.store([one], [vector(one.text, 64)])
    found, paths = Files(agent, lambda handle, text: vector(text, 64)).search("stops the valve", 1)
    assert ([paths[passage.file_id] for passage in found], found.words_only) == (["Manuals/valve.md"], False)
    assert Files(agent).search("stops", 1)[0].words_only


def test_what_another_has_is_not_found(agent, folder):
    add(folder, "pump.md", PUMP)
    stranger = given.agent(organization=given.organization("Globex"))
    own = make_folder(stranger.organization_id, "Manuals", NONE)
    folders.attach(stranger, [own])
    add(own, "own.md", VALVE)
    assert [passage.text for passage in Files(stranger).search("pump water valve", 9)[0]] == [VALVE]
    assert "pump" not in grep(stranger, "a")
    with pytest.raises(ToolError, match=r"There are: Manuals/own.md"):
        open_names(stranger, "pump.md")


def test_what_is_in_a_folder_that_the_agent_has_not_is_not_found(agent, folder):
    other = make_folder(agent.organization_id, "Other", NONE)
    add(other, "valve.md", VALVE)
    add(folder, "pump.md", PUMP)
    assert [passage.text for passage in Files(agent).search("pump water valve", 9)[0]] == [PUMP.strip()]
    assert "valve" not in grep(agent, "water")


# The prompt


def test_the_prompt_shows_what_is_open_behind_everything_that_stays(agent, folder):
    bare = prompt(given.agent(organization=agent.organization))
    assert "<directories>" not in bare
    add(folder, "pump.md", PUMP)
    Agent.objects.filter(id=agent.id).update(tool_rules=[{"type": "exit_loop", "tool_name": "grep_files"}])
    closed = prompt(agent)
    open_names(agent, "pump.md")
    shown = prompt(agent)
    assert "- Manuals/pump.md (5 lines, closed)" in closed
    assert "\n3→ A pump moves water.\n" in shown
    before = shown.index("<directories>")
    assert shown[:before] == closed[:before]
    assert before > shown.index("</tool_usage_rules>") > shown.index("</memory_blocks>")
    assert shown.index("</directories>") < shown.index("<memory_metadata>")


def test_the_prompt_is_compiled_anew_when_files_have_changed_and_only_then(agent, folder):
    seen = [fingerprint(agent)]

    def changed():
        assert fingerprint(agent) == fingerprint(agent)
        seen.append(fingerprint(agent))
        return seen[-1] not in seen[:-1]

    file = add(folder, "pump.md", PUMP)
    assert changed()
    open_names(agent, "pump.md")
    assert changed()
    open_names(agent, "pump.md")
    assert not changed()
    Files(agent).open([{"file_name": "pump.md", "offset": 1}], False)
    assert changed()
    unread, _ = keep(folder, Upload("unread", "unread", "", "text", b"x"), "suffix", None)
    folders.show(unread)
    assert not changed()
    grep(agent, "pump")
    assert not changed()
    Agent.objects.filter(id=agent.id).update(max_files_open=3)
    assert changed()
    stored.delete([file])
    assert changed()


def test_an_agent_without_folders_has_the_fingerprint_that_it_had(agent):
    before = fingerprint(agent)
    Agent.objects.filter(id=agent.id).update(max_files_open=3)
    assert fingerprint(agent) == before


def test_only_the_first_files_of_many_are_listed_and_all_that_are_open(agent, folder, monkeypatch):
    monkeypatch.setattr("agents.prompt.FILES_LISTED", 2)
    for name in "abcd":
        add(folder, name, VALVE)
    open_names(agent, "d")
    shown = prompt(agent)
    assert [name for name in "abcd" if f"- Manuals/{name} (" in shown] == ["a", "b", "d"]
    assert "- and more" in shown
    monkeypatch.setattr("agents.prompt.FILES_LISTED", 4)
    assert "- and more" not in prompt(agent)


def test_open_files_count_for_the_context_window(agent, folder):
    add(folder, "long", "word " * 2_000)

    def fixed():
        given.said(agent)
        loaded = load_state(given.claimed(agent, lease=0), context_window)
        return loaded.window.fixed

    before = fixed()
    open_names(agent, "long")
    assert 2_400 < fixed() - before < 2_700


# A turn


@in_commits
def test_a_turn_that_opens_a_file_sees_it_in_the_next_step(agent, folder):
    add(folder, "pump.md", PUMP)
    given.said(agent)
    script = given.advance(agent, calls(("open_files", {"file_requests": [{"file_name": "pump.md"}]})), says("Read."))
    first, second = (request.system for request in script.asked)
    assert "A pump moves water." not in first
    assert "\n3→ A pump moves water.\n" in second
    assert "Opened Manuals/pump.md, lines 1 to 5 of 5." in given.transcript(agent)[2]
    assert Message.objects.get(agent=agent, seq=1).content["text"] == second


@in_commits
def test_what_cannot_be_opened_is_told_to_the_model(agent, folder):
    given.said(agent)
    given.advance(agent, calls(("open_files", {"file_requests": [{"file_name": "x"}]})), says("Not there."))
    assert "no files that have been read" in given.transcript(agent)[2]


@in_commits
def test_a_turn_that_greps_and_searches(agent, folder):
    add(folder, "pump.md", PUMP)
    given.said(agent)
    both = calls(("grep_files", {"pattern": "dry"}), ("semantic_search_files", {"query": "pump", "limit": 1}))
    given.advance(agent, both, says("Found."))
    found = given.transcript(agent)
    assert "> 4: Never run it dry." in found[2]
    assert '"file": "Manuals/pump.md", "lines": "1-4"' in found[3]
