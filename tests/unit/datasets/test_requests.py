"""Requests made from headings: what kind of phrase a heading is, and how it stands in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.unit.datasets.support import a_chunk
from twin.datasets.headings import plain_heading, title_of, topic_of
from twin.datasets.instruct.keywords import Keywords
from twin.datasets.instruct.requests import PHRASINGS, about_heading, continuing, last_resorts, with_keywords

if TYPE_CHECKING:
    from twin.records import Chunk


def headed(*headings: str, title: str = "Boats", text: str = "The boats lie still, and the tide is low.") -> Chunk:
    return msgspec.structs.replace(a_chunk(1, 0, text=text), title=title, heading_path=list(headings))


@pytest.mark.parametrize(
    ("heading", "kind", "text"),
    [
        ("The engine", "thing", "the engine"),
        ("Tide", "thing", "tide"),
        ("Google Docs", "thing", "Google Docs"),
        ("Moving a home", "doing", "moving a home"),
        ("Programmatically comparing versions", "doing", "programmatically comparing versions"),
        ("Create a key", "task", "create a key"),
        ("Load balancing", "thing", "Load balancing"),
        ("How fast it is", "clause", "how fast it is"),
        ("When nothing is relevant", "case", "when nothing is relevant"),
        ("The gate fails", "statement", "the gate fails"),
        ("Seven steps you have to take", "thing", "seven steps you have to take"),
        ("Is it up", "question", "Is it up?"),
        ("Why Glitch?", "question", "Why Glitch?"),
        ("What is the difference", "question", "What is the difference?"),
        ("What is compared", "clause", "what is compared"),
        ("How to add retries. How to add more", "clause", "how to add retries"),
        ("🧠 **III. Deep Learning** (at last)", "thing", "Deep Learning"),
        ("Step 2: Lazy updates", "thing", "Lazy updates"),
        ("#2. How to add retry policies to your", "clause", "how to add retry policies"),
    ],
)
def test_what_can_be_asked_about_a_heading_depends_on_its_kind(heading: str, kind: str, text: str) -> None:
    topic = topic_of(headed(heading))
    assert topic is not None
    assert (topic.kind, topic.text) == (kind, text)


@pytest.mark.parametrize("heading", ["Conclusion", "2. Summary", "Against the limits", "It is slow", "Refused", "🚢"])
def test_a_heading_that_no_request_can_hold_gives_way_to_the_one_above(heading: str) -> None:
    topic = topic_of(headed("The rudder", heading))
    assert topic is not None
    assert topic.text == "the rudder"


def test_titles_lose_the_names_of_site_and_author() -> None:
    assert title_of(headed(title="Ada - How I sail")) == "How I sail"
    assert title_of(headed(title="How I sail | Ada's pages")) == "How I sail"
    assert plain_heading("a word cut in the mid-") == "a word cut in"


def test_every_kind_of_phrase_gives_requests_that_name_heading_and_title_once() -> None:
    for heading in ("The engine", "Moving a home", "Create a key", "How fast it is", "Why Glitch?", "The gate fails"):
        chunk = headed(heading, title="My harbour notes")
        for request in about_heading(chunk, 3):
            assert request.casefold().count("harbour notes") == 1, request
            assert heading.casefold().rstrip("?") in request.casefold()
            assert request[-1] in "?."
            assert "{" not in request
    assert "Boats" not in about_heading(headed("All about boats", title="Boats"), 1)[0]


def test_requests_with_keywords_name_two_of_them() -> None:
    for heading in ("The engine", "How fast it is", "Why Glitch?", "Conclusion"):
        for request in with_keywords(headed(heading), ["the tide", "ropes", "knots"], 3):
            assert "the tide" in request
            assert "ropes" in request
            assert "knots" not in request
    assert with_keywords(headed("The engine"), ["ropes"], 3) == []


def test_the_last_resort_names_all_that_there_is() -> None:
    for request in last_resorts(headed("The engine"), ["the tide", "ropes", "knots"], 8):
        assert all(word in request for word in ("the engine", "the tide", "ropes", "knots"))
    assert last_resorts(headed("Boats"), [], 3) == []


def test_phrasings_differ_between_passages_and_stay_for_one() -> None:
    asked = [about_heading(headed("The engine", title=f"Note {number}"), 1)[0] for number in range(30)]
    same = {about_heading(msgspec.structs.replace(headed("The engine"), id=str(n)), 1)[0] for n in range(60)}
    assert len(same) >= len(PHRASINGS["thing"])
    assert asked == [about_heading(headed("The engine", title=f"Note {number}"), 1)[0] for number in range(30)]
    assert continuing(headed("The engine"), "I sail.", 1)[0].count('"I sail."') == 1


def test_keywords_tell_a_passage_from_the_others_and_keep_their_article() -> None:
    text = (
        "The harbour has a crane. The crane lifts what the ships bring, and nobody asks for its weight. "
        "It's quickly done, `crane_up()` is all that I type, and the harbour is full."
    )
    others = [
        a_chunk(1, ordinal, text="The ships come to the harbour, and the harbour is full.") for ordinal in range(5)
    ]
    found = Keywords([*others, a_chunk(1, 9, text=text)]).of(a_chunk(1, 9, text=text), 3, without="Ships")
    assert found[0] == "a crane"
    assert "the weight" in found
    assert not any(word in " ".join(found) for word in ("ship", "crane_up", "quickly", "It's"))


def test_code_is_no_source_of_keywords_and_what_follows_it_is() -> None:
    text = "    indented = lines_of_code\n\nThe harbour is deep.\n\n```\nfenced\n```\n\nThe lantern is lit."
    found = Keywords([]).of(a_chunk(1, 0, text=text), 9)
    assert found[:2] == ["the harbour", "the lantern"]
    assert not {"indented", "lines_of_code", "fenced"} & set(found)
