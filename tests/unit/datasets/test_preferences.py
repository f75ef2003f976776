from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from twin.artifacts import ArtifactStore
from twin.datasets import InstructDataset, preferences, to_messages
from twin.errors import ArtifactError
from twin.records import InstructSample

if TYPE_CHECKING:
    from pathlib import Path

OWN = "I keep the dough cold over night, because slow yeast tastes better than quick yeast."


def sample(number: int, *, context: tuple[str, ...] = (), answer: str = OWN, document: str = "d1") -> InstructSample:
    return InstructSample(
        id=str(number),
        instruction=f"Why cold dough, number {number}?",
        answer=answer,
        author="Ada",
        document_id=document,
        chunk_id=str(number),
        split="train",
        context=list(context),
        writer="rules",
    )


def dataset(*train: InstructSample) -> InstructDataset:
    return InstructDataset(train=list(train), test=[], rejected={}, test_documents=frozenset(), writer="rules")


def made(*samples: InstructSample, answers: tuple[str, ...]) -> preferences.PreferenceDataset:
    return preferences.build(samples, answers, model="base", weights="w1")


def test_a_pair_is_the_authors_passage_against_the_models_answer_to_the_prompt_of_serving() -> None:
    (pair,) = made(sample(1), answers=(" A dog barks loudly. ",)).pairs
    assert (pair.chosen, pair.rejected) == (OWN, "A dog barks loudly.")
    assert pair.prompt == to_messages(sample(1))["prompt"]
    assert (pair.source, pair.model, pair.document_id) == ("author", "w1", "d1")


@pytest.mark.parametrize(
    ("answer", "context", "reason"),
    [
        ("  ", (), "the model said nothing"),
        (OWN.upper(), (), "both answers say the same"),
        (
            "The moon is made of green cheese from Holland.",
            ("The moon is made of green cheese from Holland.",),
            "the rejected answer is better supported by the passages",
        ),
    ],
)
def test_what_teaches_nothing_or_the_wrong_thing_is_left_out_and_counted(
    answer: str, context: tuple[str, ...], reason: str
) -> None:
    found = made(sample(1, context=context), sample(2), answers=(answer, "A dog barks loudly."))
    assert [pair.id for pair in found.pairs] == ["2"]
    assert found.left_out == {reason: 1}


def test_pairs_of_a_deleted_document_or_a_changed_passage_are_not_trained_on() -> None:
    kept, gone, edited = sample(1), sample(2, document="d2"), sample(3, document="d3")
    found = made(kept, gone, edited, answers=("A dog barks loudly.",) * 3)
    now = dataset(kept, msgspec.structs.replace(edited, answer="Now I keep it warm."))
    assert [pair.id for pair in found.of(now).pairs] == ["1"]
    assert found.of(now).version != found.version


def test_the_order_of_pairs_and_who_was_asked_make_no_other_model(tmp_path: Path) -> None:
    one, other = sample(1), sample(2, answer="I bake it hot and short, so that the crust is thick.")
    found = made(one, other, answers=("A dog barks.", "A cat sleeps."))
    turned = msgspec.structs.replace(made(other, one, answers=("A cat sleeps.", "A dog barks.")), model="version 1.0.0")
    assert found.version == turned.version
    files = [preferences.write_channel(each, tmp_path / name) for name, each in (("1", found), ("2", turned))]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert made(one, answers=("A cow moos.",)).version != made(one, answers=("A dog barks.",)).version


def test_a_published_dataset_is_read_back_with_its_card(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    with pytest.raises(ArtifactError, match="materialize preference_dataset"):
        preferences.current(store)
    found = made(sample(1), sample(2), answers=("A dog barks loudly.", ""))
    version = preferences.publish(store, found)
    assert preferences.current(store) == found
    text = (store.get_folder(f"preference_dataset/{version}") / "README.md").read_text()
    assert "1 pairs" in text
    assert "1: the model said nothing" in text


def test_a_damaged_dataset_is_told(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    version = preferences.publish(store, made(sample(1), answers=("A dog barks.",)))
    pairs = store.get_folder(f"preference_dataset/{version}") / "pairs.jsonl"
    pairs.write_bytes(pairs.read_bytes().replace(b"dog", b"cat"))
    with pytest.raises(ArtifactError, match="damaged"):
        preferences.current(store)
