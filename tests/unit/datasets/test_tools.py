"""What the command line does with datasets: compare, export, estimate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.unit.datasets.support import CHUNKS, RuleWriter, make
from twin import datasets
from twin.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def test_two_datasets_are_compared_by_passage(tmp_path: Path) -> None:
    before = make(CHUNKS, tmp_path, cap=20)
    first, *rest = before.train
    after = msgspec.structs.replace(
        before, train=[msgspec.structs.replace(first, instruction="Why?"), *rest[:-1]], test=before.test[1:]
    )
    found = datasets.compare(before, after)
    assert [(old.instruction, new.instruction) for old, new in found.changed] == [(first.instruction, "Why?")]
    assert {sample.id for sample in found.removed} == {rest[-1].id, before.test[0].id}
    assert (found.added, found.unchanged, found.same_training_data) == ([], len(before.samples) - 3, False)
    held_out = msgspec.structs.replace(before, test=before.test[1:])
    assert datasets.compare(before, held_out).same_training_data
    ranked = msgspec.structs.replace(before, train=[msgspec.structs.replace(first, rank=3), *rest])
    assert datasets.compare(before, ranked).changed == [], "a figure is nothing that a model sees"


def test_an_exported_dataset_loads_elsewhere(tmp_path: Path) -> None:
    import datasets as hugging_face

    dataset = make(CHUNKS, tmp_path)
    written = datasets.export(dataset, tmp_path / "out")
    assert [path.name for path in written] == ["README.md", "hf", "test.jsonl", "train.jsonl"]
    rows = [json.loads(line) for line in (tmp_path / "out" / "train.jsonl").read_text().splitlines()]
    assert [row["completion"][0]["content"] for row in rows] == [
        one.answer for one in datasets.canonical(dataset.train)
    ]
    loaded = hugging_face.DatasetDict.load_from_disk(str(tmp_path / "out" / "hf"))
    assert {name: len(split) for name, split in loaded.items()} == {
        "train": len(dataset.train),
        "test": len(dataset.test),
    }
    assert loaded["train"][0]["prompt"] == rows[0]["prompt"]
    with pytest.raises(InputError, match="not empty"):
        datasets.export(dataset, tmp_path / "out")


def test_an_estimate_is_what_is_made_then(tmp_path: Path) -> None:
    expected = datasets.estimate(CHUNKS, cap=20, most_written=4, test_share=0.3, seed=42, has_teacher=True)
    writer = RuleWriter()
    dataset = make(CHUNKS, tmp_path, writer, cap=20, most_written=4)
    assert (expected.train, expected.test, expected.passages) == (len(dataset.train), len(dataset.test), len(CHUNKS))
    assert expected.written == len(writer.asked) == 4
    assert expected.prompt_tokens > 0
    alone = datasets.estimate(CHUNKS, cap=20, most_written=4, test_share=0.3, seed=42, has_teacher=False)
    assert alone.prompt_tokens == 0
    assert alone.seconds > expected.seconds
