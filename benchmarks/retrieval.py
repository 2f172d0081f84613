"""How well search finds: by words, by vectors, and by both.

    .venv/bin/python -m benchmarks.retrieval FILE.jsonl [--embedding local|none] [--messages]
    .venv/bin/python -m benchmarks.retrieval --make FILE.jsonl [--facts 200]

A line is {"id", "text", "date" (optional)}, a document, or {"question", "gold": [id, ...], "kind" (optional)}.
With --messages the documents are one conversation, in their order, and neighbours count.
`--make` writes a file of our own making: facts about invented people, asked for in the same words and in others, and
facts that were corrected later.
"""

import argparse
import json
import math
import os
import random
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.embedded import django_on

DEPTHS = (1, 5, 10, 20)
MODES = ("words", "vectors", "both")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--make", action="store_true", help="write the file instead of reading it")
    parser.add_argument("--facts", type=int, default=200)
    parser.add_argument("--embedding", choices=("local", "none"), default="local")
    parser.add_argument("--messages", action="store_true")
    options = parser.parse_args()
    if options.make:
        options.file.write_text("".join(json.dumps(line) + "\n" for line in made(options.facts)))
        return
    lines = [json.loads(line) for line in options.file.read_text().splitlines() if line.strip()]
    documents = [line for line in lines if "text" in line]
    questions = [line for line in lines if "question" in line]
    with tempfile.TemporaryDirectory() as folder, django_on(Path(folder)):
        for mode, rankings in ranked(documents, questions, options.embedding == "local", options.messages).items():
            report(mode, questions, rankings)


# Finding -------------------------------------------------------------------------------------------------------------


def ranked(
    documents: list[dict[str, Any]], questions: list[dict[str, Any]], with_vectors: bool, messages: bool
) -> dict[str, list[list[str]]]:
    """For each mode and question, the ids of the twenty best documents."""
    from memory import search as searching
    from memory.ranking import Match

    shelf, ids = filed(documents, with_vectors, messages)
    found = {"words": [named(shelf(line["question"], False), ids) for line in questions]}
    if with_vectors:
        found["both"] = [named(shelf(line["question"], True), ids) for line in questions]
        by_terms, weight = searching.by_terms, Match
        searching.by_terms = lambda *_: list[weight]()  # type: ignore[valid-type]
        found["vectors"] = [named(shelf(line["question"], True), ids) for line in questions]
        searching.by_terms = by_terms
    return {mode: found[mode] for mode in MODES if mode in found}


def filed(documents: list[dict[str, Any]], with_vectors: bool, messages: bool) -> tuple[Any, dict[str, str]]:
    """A search over the documents as rows, and their ids by those of the rows."""
    from accounts.models import Organization

    organization = Organization.objects.create(name="benchmark")
    return (as_messages if messages else as_passages)(organization, documents, with_vectors)


def as_passages(organization: Any, documents: list[dict[str, Any]], with_vectors: bool) -> tuple[Any, dict[str, str]]:
    from memory import minilm, vectors
    from memory.archival import Archival, Draft
    from memory.embeddings import LOCAL, Embedders, Endpoint
    from memory.models import Archive

    embedders = Embedders(lambda name: Endpoint(""), minilm.folder())
    embedding = {"embedding": LOCAL, "dimension": minilm.DIMENSION} if with_vectors else {}
    archive = Archive.objects.create(organization=organization, name="documents", **embedding)
    filing = Archival(organization.id, [archive.id], lambda: archive)
    passages = filing.insert_many([Draft(line["text"], created_at=moment(line)) for line in documents])
    while claimed := vectors.claim():
        vectors.store(claimed, embedders.of(LOCAL).embed([one.text for one in claimed], 600))

    @cache
    def embed(handle: str, text: str) -> list[float]:
        return embedders.of(handle).embed([text], 60)[0]

    def shelf(question: str, both: bool) -> Sequence[Any]:
        return Archival(organization.id, [archive.id], lambda: archive, embed if both else None).search(
            question, top_k=DEPTHS[-1]
        )

    return shelf, {passage.id: line["id"] for passage, line in zip(passages, documents, strict=True)}


def as_messages(organization: Any, documents: list[dict[str, Any]], with_vectors: bool) -> tuple[Any, dict[str, str]]:
    from agents import history
    from agents.models import Agent, Conversation, Message
    from memory import minilm, recall
    from memory.embeddings import LOCAL, Embedders, Endpoint

    agent = Agent.objects.create(
        organization=organization,
        name="a",
        system="",
        model="demo/scripted",
        embedding=LOCAL if with_vectors else None,
    )
    place = Conversation.objects.create(organization=organization, agent=agent, next_seq=len(documents) + 1)
    rows = [
        Message(
            organization=organization,
            agent=agent,
            conversation=place,
            seq=seq,
            role="user" if seq % 2 else "assistant",
            text=line["text"],
            content={},
            created_at=moment(line),
        )
        for seq, line in enumerate(documents, 1)
    ]
    Message.objects.bulk_create(rows)
    embedders = Embedders(lambda name: Endpoint(""), minilm.folder())
    history.note()
    while claimed := history.claim():
        history.store(claimed, embedders.of(LOCAL).embed([one.text for one in claimed], 600))

    @cache
    def embed(handle: str, text: str) -> list[float]:
        return embedders.of(handle).embed([text], 60)[0]

    near = history.near(Agent.objects.filter(id=agent.id), [LOCAL], embed)

    def shelf(question: str, both: bool) -> Sequence[Any]:
        own, chosen = Message.objects.filter(agent=agent), near if both else None
        return recall.search(own, question, limit=DEPTHS[-1], neighbours="all", near=chosen)

    return shelf, {row.id: line["id"] for row, line in zip(rows, documents, strict=True)}


def moment(line: dict[str, Any]) -> Any:
    from datetime import UTC, datetime

    given = datetime.fromisoformat(line.get("date") or "2026-01-01")
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def named(rows: Sequence[Any], ids: dict[str, str]) -> list[str]:
    return [ids[row.id] for row in rows]


# Measuring -----------------------------------------------------------------------------------------------------------


def report(mode: str, questions: list[dict[str, Any]], rankings: list[list[str]]) -> None:
    kinds = sorted({line.get("kind", "all") for line in questions})
    for kind in ["all", *kinds] if kinds != ["all"] else kinds:
        chosen = [
            (ranking, line["gold"])
            for ranking, line in zip(rankings, questions, strict=True)
            if kind in ("all", line.get("kind"))
        ]
        figures = [f"recall@{depth} {mean([recall(*one, depth) for one in chosen]):.3f}" for depth in DEPTHS]
        figures += [f"MRR {mean([reciprocal(*one) for one in chosen]):.3f}"]
        figures += [f"nDCG@10 {mean([gain(*one) for one in chosen]):.3f}"]
        print(f"{mode:8} {kind:10} {len(chosen):5} questions  {'  '.join(figures)}", flush=True)


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def recall(ranking: list[str], gold: list[str], depth: int) -> float:
    return len(set(ranking[:depth]) & set(gold)) / len(set(gold))


def reciprocal(ranking: list[str], gold: list[str]) -> float:
    return next((1 / place for place, id in enumerate(ranking, 1) if id in gold), 0.0)


def gain(ranking: list[str], gold: list[str], depth: int = 10) -> float:
    got = sum(1 / math.log2(place + 1) for place, id in enumerate(ranking[:depth], 1) if id in gold)
    return got / sum(1 / math.log2(place + 1) for place in range(1, min(len(gold), depth) + 1))


# Making --------------------------------------------------------------------------------------------------------------

NAMES = ("Ann", "Bo", "Cleo", "Dag", "Eva", "Finn", "Gro", "Hal", "Ida", "Jon", "Kaja", "Liv", "Max", "Nora", "Olav")
FAMILIES = ("Berg", "Dahl", "Fjord", "Holm", "Lund", "Moe", "Nes", "Olsen", "Ruud", "Sand", "Strand", "Vik", "Wold")
# What is said, what is asked in the same words, and in others.
FACTS = (
    (
        "{who} works as a doctor at the hospital.",
        "Where does {who} work as a doctor?",
        "What is the profession of {who}?",
    ),
    ("{who} is allergic to peanuts.", "What is {who} allergic to?", "Which food should {who} not eat?"),
    ("{who} bought a small boat in the spring.", "What did {who} buy in the spring?", "Does {who} own a vessel?"),
    ("{who} has a dog that is called Rex.", "How is the dog of {who} called?", "What pet does {who} keep?"),
    ("{who} moved to Bergen after the wedding.", "Where has {who} moved to?", "In which city does {who} live now?"),
    ("{who} plays the violin in an orchestra.", "What does {who} play?", "Which musical instrument has {who} learnt?"),
    ("{who} likes to drink green tea.", "What does {who} like to drink?", "Which beverage does {who} prefer?"),
    ("{who} drives an old red car.", "What does {who} drive?", "Which vehicle does {who} have?"),
)
# What is said later instead, and asked.
CORRECTED = {
    "doctor": ("{who} now works as a teacher at the school.", "Where does {who} work now?"),
    "boat": ("{who} bought a large house in the autumn.", "What has {who} bought?"),
    "dog": ("The dog of {who} is called Max now.", "How is the dog of {who} called?"),
    "moved": ("{who} has moved to Oslo after the divorce.", "Where has {who} moved to?"),
    "violin": ("{who} now plays the flute in a band.", "What does {who} play?"),
    "drink": ("{who} now likes to drink black coffee.", "What does {who} like to drink now?"),
    "car": ("{who} now drives a new blue van.", "What does {who} drive?"),
}
SMALL_TALK = ("The weather was fine on {day}.", "Nothing much happened on {day}.", "We talked about films on {day}.")


def made(facts: int) -> list[dict[str, Any]]:
    rng = random.Random(11)
    people = [f"{name} {family}" for name in NAMES for family in FAMILIES]
    chosen = rng.sample([(person, fact) for person in people for fact in FACTS], facts)
    lines: list[dict[str, Any]] = []
    for number, (who, (said, same, other)) in enumerate(chosen):
        fact = f"fact-{number}"
        lines.append({"id": fact, "text": said.format(who=who), "date": f"2026-01-{number % 28 + 1:02}"})
        later = next((later for word, later in CORRECTED.items() if word in said), None)
        if later and number % 3 == 0:
            text, question = (part.format(who=who) for part in later)
            lines.append({"id": f"newer-{number}", "text": text, "date": "2026-03-01"})
            lines.append({"question": question, "gold": [f"newer-{number}"], "kind": "corrected"})
            continue
        lines.append({"question": same.format(who=who), "gold": [fact], "kind": "same"})
        lines.append({"question": other.format(who=who), "gold": [fact], "kind": "other"})
    talk = [{"id": f"talk-{n}", "text": rng.choice(SMALL_TALK).format(day=f"day {n}")} for n in range(facts * 4)]
    lines += talk
    rng.shuffle(lines)
    return lines


if __name__ == "__main__":
    os.environ.setdefault("PERDURE_LOG_LEVEL", "ERROR")
    main()
