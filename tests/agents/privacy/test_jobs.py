"""An identity's data as an archive, and away: batch by batch, whoever is killed meanwhile."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.errors import Conflict
from agents.folders import attach
from agents.models import Agent, Conversation, ExportPiece, Identity, IdentityJob, Message, Run
from agents.privacy import exporting, jobs
from agents.privacy.jobs import KEPT, advance_job, discard_exports, start
from memory import files
from memory.files import Upload
from memory.models import Archive, Block, BlockVersion, Folder, Passage
from tests.agents import given
from tests.agents.loop.doubles import says

pytestmark = pytest.mark.django_db(transaction=True)

EXPORT, ERASE = IdentityJob.Kind.EXPORT, IdentityJob.Kind.ERASE


def identity(organization, key="ann"):
    return Identity.objects.create(organization=organization, identifier_key=key, name=key, identity_type="user")


@pytest.fixture
def ann():
    agent = given.agent(human="Ann likes tea.")
    made = identity(agent.organization)
    made.agents.add(agent)
    talked(agent)
    return made


def talked(agent, turns=3):
    for number in range(turns):
        given.said(agent, f"question {number}")
        given.advance(agent, says(f"answer {number}"))


def filed(agent, *texts):
    archive = Archive.objects.create(organization=agent.organization, name="notes")
    agent.archives.add(archive)
    for text in texts:
        Passage.objects.create(organization=agent.organization, archive=archive, text=text, created_at=timezone.now())
    return archive


def uploaded(agent, name, text):
    folder = files.make_folder(agent.organization_id, name, {})
    upload = Upload("notes.txt", "notes.txt", "text/plain", "text", text.encode())
    files.keep(folder, upload, "error", None)
    assert files.store(files.claim(60), text)
    attach(agent, [folder])
    return folder


def done(identity, kind):
    job = start(identity, kind, None)
    batches = 0
    while advance_job():
        batches += 1
        assert batches < 200, "the job does not come to an end"
    job.refresh_from_db()
    assert job.status == "completed", job.error
    return job


def rows_of(job):
    pieces = ExportPiece.objects.filter(job=job).order_by("number")
    return [row for piece in pieces for row in piece.rows]


# Export


def test_an_archive_has_all_that_belongs_to_it(ann):
    agent = ann.agents.get()
    filed(agent, "one", "two")
    Block.objects.update(value="Ann likes coffee.")
    job = done(ann, EXPORT)
    rows = rows_of(job)
    kinds = [row["kind"] for row in rows]
    assert kinds == sorted(kinds, key=list(exporting.STAGES).index)
    counts = {kind: kinds.count(kind) for kind in kinds}
    assert counts == {
        "identity": 1,
        "agent": 1,
        "block": 1,
        "conversation": 1,
        "message": 7,
        "run": 3,
        "archive": 1,
        "passage": 2,
    }
    assert counts | {"pieces": job.report["pieces"]} == job.report
    said = [row["data"]["text"] for row in rows if row["kind"] == "message"]
    assert said[1:3] == ["question 0", "answer 0"]
    [block] = [row for row in rows if row["kind"] == "block"]
    assert [version["value"] for version in block["versions"]] == ["Ann likes tea.", "Ann likes coffee."]
    assert all(len(row["steps"]) == 1 for row in rows if row["kind"] == "run")


def test_secrets_and_the_server_itself_are_no_part_of_it(ann):
    Agent.objects.update(sealed_secrets="sealed")
    assert all("sealed" not in str(row) for row in rows_of(done(ann, EXPORT)))


def test_pieces_are_small_and_have_every_row_once(ann, monkeypatch):
    monkeypatch.setattr(exporting, "ROWS", 2)
    other = given.agent(organization=ann.organization)
    talked(other, 2)
    ann.agents.add(other)
    job = done(ann, EXPORT)
    ids = [row["data"]["id"] for row in rows_of(job)]
    assert len(ids) == len(set(ids))
    assert job.report["message"] == Message.objects.count() == 12
    assert max(len(piece.rows) for piece in job.pieces.all()) == 2


def test_an_archive_is_kept_for_seven_days(ann):
    job = done(ann, EXPORT)
    assert discard_exports() is False
    IdentityJob.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    while discard_exports():
        pass
    job.refresh_from_db()
    assert (job.status, job.pieces.count(), KEPT) == ("expired", 0, timedelta(days=7))


# Erasure


def test_an_erasure_leaves_nothing_of_it(ann):
    agent = ann.agents.get()
    filed(agent, "one", "two")
    export = done(ann, EXPORT)
    job = done(ann, ERASE)
    left = [
        model.objects.count() for model in (Agent, Block, BlockVersion, Conversation, Message, Run, Archive, Passage)
    ]
    assert (left, Identity.objects.count(), ExportPiece.objects.count()) == ([0] * 8, 0, 0)
    report = job.report
    assert (report["agent"], report["message"], report["run"], report["passage"], report["block"]) == (1, 7, 3, 2, 1)
    assert (report["identity"], report["exportpiece"]) == (1, export.report["pieces"])


def test_what_others_hold_stays(ann):
    agent = ann.agents.get()
    bob, other = identity(ann.organization, "bob"), given.agent(organization=ann.organization)
    shared = Block.objects.create(organization=ann.organization, label="team", value="We.")
    own = Block.objects.create(organization=ann.organization, label="own", value="Mine.")
    theirs = Block.objects.create(organization=ann.organization, label="theirs", value="Bob's.")
    archive = filed(agent, "one")
    other.archives.add(archive)
    for one in (agent, other):
        one.blocks.add(shared)
    ann.blocks.add(own, theirs)
    bob.blocks.add(theirs)
    both = given.agent(organization=ann.organization)
    for one in (ann, bob):
        one.agents.add(both)
    job = done(ann, ERASE)
    assert set(Agent.objects.values_list("id", flat=True)) == {other.id, both.id}
    assert {"team", "theirs"} <= set(Block.objects.values_list("label", flat=True))
    assert not Block.objects.filter(label="own").exists()
    assert (Passage.objects.count(), job.report["archives_kept"], job.report["blocks_kept"]) == (1, 1, 2)
    assert job.report["agents_kept"] == 1
    assert list(Identity.objects.values_list("identifier_key", flat=True)) == ["bob"]


def test_its_files_go_along_and_those_of_others_stay(ann):
    agent, other = ann.agents.get(), given.agent(organization=ann.organization)
    uploaded(agent, "own", "Ann's own words.")
    attach(other, [uploaded(agent, "shared", "Everybody's words.")])
    told = [row for row in rows_of(done(ann, EXPORT)) if row["kind"] == "file"]
    assert sorted(row["text"] for row in told) == ["Ann's own words.", "Everybody's words."]
    report = done(ann, ERASE).report
    assert list(Folder.objects.values_list("name", flat=True)) == ["shared"]
    assert list(Passage.objects.values_list("text", flat=True)) == ["Everybody's words."]
    assert (report["file"], report["folder"], report["folders_kept"]) == (1, 1, 1)


def test_a_run_that_is_under_way_is_no_obstacle(ann):
    agent = ann.agents.get()
    given.said(agent, "still open")
    turn = given.claimed(agent)
    done(ann, ERASE)
    assert (Agent.objects.count(), Run.objects.count()) == (0, 0)
    given.step(turn, given.Outfit(given.Script(says("too late"))), given.Abort())
    assert Message.objects.count() == 0


@pytest.mark.parametrize("kind", [EXPORT, ERASE])
def test_a_worker_that_dies_in_a_batch_has_done_nothing_of_it(ann, monkeypatch, kind):
    """Killed in every batch once, the job comes to the same end."""
    filed(ann.agents.get(), "one", "two")
    monkeypatch.setattr(exporting, "ROWS", 3)
    killed = []

    def dying(name, about):
        if len(killed) % 2 == 0:
            killed.append(about)
            raise KeyboardInterrupt
        killed.append(about)

    monkeypatch.setattr(jobs, "faultpoint", dying)
    job = start(ann, kind, None)
    going = True
    while going:
        try:
            going = advance_job()
        except KeyboardInterrupt:
            continue
    job.refresh_from_db()
    assert (job.status, job.report["message"]) == ("completed", 7)
    assert len(killed) > 8
    if kind == EXPORT:
        ids = [row["data"]["id"] for row in rows_of(job)]
        assert (len(ids), len(set(ids))) == (17, 17)
    else:
        assert Agent.objects.count() == 0


def test_a_batch_that_fails_is_tried_again_and_in_the_end_given_up(ann, monkeypatch):
    def broken(job):
        raise ValueError("broken")

    monkeypatch.setitem(jobs._BATCHES, EXPORT, broken)
    job = start(ann, EXPORT, None)
    for _ in range(jobs.MOST_FAILURES):
        assert advance_job() is True
        IdentityJob.objects.update(not_before=None)
    job.refresh_from_db()
    assert (job.status, job.failures) == ("failed", jobs.MOST_FAILURES)
    assert "ValueError" in job.error
    assert advance_job() is False


def test_one_job_at_a_time(ann):
    job = start(ann, EXPORT, None)
    assert start(ann, EXPORT, None) == job
    with pytest.raises(Conflict, match="under way"):
        start(ann, ERASE, None)
