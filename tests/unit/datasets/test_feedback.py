"""From what readers said to pairs that are trained on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from twin.artifacts import ArtifactStore
from twin.datasets import InstructDataset, feedback, preferences
from twin.records import Chunk, Interaction, Passage
from twin.settings import FeedbackSettings
from twin.training import recipes
from twin.training.recipe import Recipe
from twin.warehouse import Feedback

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 5, 1, 9, tzinfo=UTC)
QUESTION = "Why do you keep the dough cold?"
GOOD = (
    "I keep the dough cold because slow yeast tastes better than quick yeast. The cold slows the yeast down, so that "
    "the dough can rest for a whole night. In the morning it is firm, easy to shape, and it bakes with a crust that "
    "stays crisp for most of the day."
)
BAD = "Dough is a thing that people keep. It is kept for many reasons, and the reasons are many."
OTHER = GOOD.replace("crisp", "brittle")


def answered(key: str = "i", answer: str = BAD, **fields: Any) -> Interaction:
    passage = Passage(
        chunk_id="c1", document_id="d1", text="Cold dough rests.", heading_path=[], title="T", url="u", author="Ada",
        score=1.0,
    )  # fmt: skip
    values: dict[str, Any] = {
        "question": QUESTION,
        "author": "Ada",
        "status": "answered",
        "passages": [passage],
        **fields,
    }
    return Interaction(id=key, trace_id=key, created_at=NOW, answer=answer, model_version="1.0.0", **values)


def said(key: str = "i", *, reader: str = "r", hours: float = 0, **fields: Any) -> Feedback:
    values: dict[str, Any] = {"score": 0.0, **fields}
    at = NOW + timedelta(hours=hours)
    return Feedback(id=f"{key}/{reader}", interaction_id=key, reader=reader, at=at, **values)


def built(*rated: tuple[Interaction, list[Feedback]], cap: int = 20) -> feedback.FeedbackDataset:
    return feedback.build(rated, daily_cap=cap)


def test_a_correction_is_wanted_instead_of_the_answer_and_names_its_interaction() -> None:
    made = built((answered(), [said(correction=GOOD)]))
    (pair,), (sample,) = made.pairs, made.corrections
    assert (pair.interactions, pair.method, pair.chosen, pair.rejected) == (["i"], "correction", GOOD, BAD)
    assert (sample.instruction, sample.answer, sample.context) == (QUESTION, GOOD, ["Cold dough rests."])
    assert (sample.id, sample.writer, made.left_out) == (pair.id, "reader", {})


def test_a_liked_answer_is_wanted_instead_of_a_disliked_one_to_the_same_question() -> None:
    liked = answered("good", GOOD, question=QUESTION.upper())
    made = built((answered("bad"), [said("bad")]), (liked, [said("good", score=1.0)]))
    assert [(pair.interactions, pair.method, pair.chosen) for pair in made.pairs] == [(["good", "bad"], "thumbs", GOOD)]
    another = built((answered("bad"), [said("bad")]), (answered("good", GOOD, author="Bob"), [said("good", score=1)]))
    assert another.pairs == []
    assert sum(another.left_out.values()) == 2


@pytest.mark.parametrize(
    ("interaction", "correction", "reason"),
    [
        (answered(), "", "a score with no correction and no other answer to compare with"),
        (answered(), "Too short to learn from.", "the wanted answer is not 40 to 200 words of prose"),
        (answered(status="interrupted"), GOOD, "the answer is interrupted"),
        (answered(question="dough"), GOOD, "its question is not 3 to 30 words"),
        (answered(question="Who won the cup in 1954?"), GOOD, "its question is not about the passage"),
    ],
)
def test_what_teaches_nothing_is_left_out_and_counted(interaction: Interaction, correction: str, reason: str) -> None:
    made = built((interaction, [said(correction=correction)]))
    assert (made.pairs, made.left_out) == ([], {reason: 1})


def test_one_reader_has_so_much_say_in_a_day_and_no_more() -> None:
    rated = [(answered(str(number)), [said(str(number), hours=number / 10, correction=GOOD)]) for number in range(9)]
    made = built(*rated, cap=3)
    assert [pair.interactions for pair in sorted(made.pairs, key=lambda pair: pair.interactions)] == [
        ["0"],
        ["1"],
        ["2"],
    ]
    assert made.left_out == {"over what one reader may say in a day (FEEDBACK_DAILY_CAP)": 6}
    by_another = (answered("x"), [said("x", reader="s", correction=GOOD)])
    tomorrow = (answered("y"), [said("y", hours=24, correction=GOOD)])
    assert len(built(*rated, by_another, tomorrow, cap=3).pairs) == 5


def test_personal_data_of_question_answer_and_correction_is_gone() -> None:
    mail = " Write to ada@lovelace.net about it."
    made = built((answered(answer=BAD + mail, question=f"Why cold dough, {mail}?"), [said(correction=GOOD + mail)]))
    (pair,) = made.pairs
    assert all("[EMAIL]" in text and "@" not in text for text in (pair.question, pair.chosen, pair.rejected))


def test_only_the_last_dataset_is_kept_since_readers_may_forget(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    assert feedback.current(store).pairs == []
    first = built((answered("i"), [said("i", correction=GOOD)]), (answered("j"), [said("j", correction=OTHER)]))
    feedback.publish(store, first)
    assert feedback.current(store) == first
    feedback.publish(store, built((answered("j"), [said("j", correction=OTHER)])))
    assert [pair.interactions for pair in feedback.current(store).pairs] == [["j"]]
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b'["i"]' in file.read_bytes()]


def store_of(tmp_path: Path, *documents: str) -> ArtifactStore:
    store = ArtifactStore(str(tmp_path))
    rows = {
        document: [
            Chunk(
                id=f"{document}c", document_id=document, revision=1, ordinal=0, text=f"{OTHER} Of {document}.",
                token_count=60, title="T", url="u", author="Ada",
            )
        ]
        for document in documents
    }  # fmt: skip
    store.dataset("chunks", Chunk).sync(dict.fromkeys(documents, "1"), lambda ids: [(each, rows[each]) for each in ids])
    return store


def dataset(*held_out: str) -> InstructDataset:
    return InstructDataset(train=[], test=[], rejected={}, test_documents=frozenset(held_out), writer="rules")


def test_a_readers_pair_shows_no_passage_that_is_held_out_or_deleted(tmp_path: Path) -> None:
    told = built((answered(), [said(correction=GOOD)]))
    store = store_of(tmp_path, "d1", "d2")
    shown = [
        preferences.from_feedback(told, dataset(*held_out), each).pairs[0]
        for held_out, each in (
            ((), store),
            (("d1",), store_of(tmp_path / "2", "d2")),
            ((), store_of(tmp_path / "3", "d9")),
        )
    ]
    assert ["Cold dough rests." in pair.prompt[-1]["content"] for pair in shown] == [True, False, False]
    assert (shown[0].source, shown[0].interactions, shown[0].model) == ("reader", ["i"], "1.0.0")


@pytest.mark.parametrize("place", ["correction", "answer"])
def test_a_readers_pair_that_says_what_is_held_out_is_left_out(tmp_path: Path, place: str) -> None:
    correction, answer = (OTHER, BAD) if place == "correction" else (GOOD.replace("slow", "lazy"), OTHER)
    told = built((answered(answer=answer), [said(correction=correction)]))
    made = preferences.from_feedback(told, dataset("d2"), store_of(tmp_path, "d1", "d2"))
    assert (made.pairs, made.left_out) == ([], {"a reader's pair shows what is held out": 1})


def test_readers_pairs_stay_as_long_as_their_feedback(tmp_path: Path) -> None:
    store = store_of(tmp_path, "d1")
    told = preferences.from_feedback(built((answered(), [said(correction=GOOD)])), dataset(), store)
    made = preferences.joined(preferences.PreferenceDataset(pairs=[], left_out={"x": 1}), told)
    assert (made.by_readers(), made.left_out) == (told.pairs, {"x": 1})
    assert made.of(dataset(), told).pairs == told.pairs
    assert made.of(dataset()).pairs == []
    changed = replace(told, pairs=[replace(told.pairs[0], chosen="Other.")])
    assert made.of(dataset(), changed).pairs == []


def test_enough_pairs_of_readers_bring_preference_training() -> None:
    settings = FeedbackSettings(FEEDBACK_MIN_PAIRS=3, FEEDBACK_DPO_STEPS=5)
    plain, own = Recipe(), Recipe(dpo_steps=2)
    assert [recipes.with_feedback(plain, count, settings).dpo_steps for count in (0, 2, 3)] == [0, 0, 5]
    assert recipes.with_feedback(own, 9, settings) == own
