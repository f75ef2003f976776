"""Datasets as others read them: JSONL files, and a folder that Hugging Face's `datasets` loads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from twin import disk
from twin.datasets.card import card
from twin.datasets.instruct import canonical, to_messages
from twin.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from twin.datasets.instruct import InstructDataset
    from twin.records import InstructSample

__all__ = ["export"]

HUGGING_FACE = "hf"


def export(dataset: InstructDataset, folder: Path) -> list[Path]:
    """Writes `train.jsonl`, `test.jsonl`, the card, and `hf/`, which `datasets.load_from_disk` reads; names them.

    Each row has the sample's fields and the prompt and completion that TRL takes.

    Raises:
        InputError: The folder has something in it already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty. Name another folder, which is made then, or empty it.")
    import datasets as hugging_face

    with disk.staged_folder(folder) as staging:
        splits = {
            name: [_row(sample) for sample in canonical(samples)]
            for name, samples in (("train", dataset.train), ("test", dataset.test))
            if samples
        }
        for name, rows in splits.items():
            lines = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
            (staging / f"{name}.jsonl").write_bytes(lines)
        (staging / "README.md").write_text(card(dataset), encoding="utf-8")
        hugging_face.disable_progress_bars()
        made = hugging_face.DatasetDict({name: hugging_face.Dataset.from_list(rows) for name, rows in splits.items()})
        made.save_to_disk(str(staging / HUGGING_FACE))
    return sorted(folder.iterdir())


def _row(sample: InstructSample) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(sample)
    return fields | {"history": [list(turn) for turn in sample.history]} | to_messages(sample)
