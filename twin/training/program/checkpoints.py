"""What a run has saved, so that the next attempt goes on from there."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from twin import disk

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["KEPT", "keep_tuned", "last_checkpoint", "tuned"]

T = TypeVar("T", bound=msgspec.Struct)

KEPT = 2
"""Checkpoints of a phase that stay; the older of them serves when the newer is torn."""
TUNED = "fine-tuned.safetensors"
METRICS = "metrics"


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint. Torn ones, left by a kill in the middle of saving, are removed.

    The trainer writes `trainer_state.json` last, so a checkpoint where it can be read is whole.
    """
    by_age = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for path in reversed(by_age):
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(path)
        else:
            return path
    return None


def keep_tuned(folder: Path, model: Any, metrics: T) -> tuple[dict[str, Any], T]:
    """Keeps the adapters and the metrics of a finished phase in one file, which is there whole or not at all; returns
    both."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save

    weights = {name: tensor.contiguous() for name, tensor in get_peft_model_state_dict(model).items()}
    folder.mkdir(parents=True, exist_ok=True)
    disk.write(folder / TUNED, save(weights, metadata={METRICS: msgspec.json.encode(metrics).decode()}))
    return weights, metrics


def tuned(folder: Path, kind: type[T]) -> tuple[dict[str, Any], T] | None:
    """The adapters and the metrics that `keep_tuned` kept, or None when the phase has not ended yet."""
    from safetensors import safe_open

    if not (folder / TUNED).is_file():
        return None
    with safe_open(folder / TUNED, framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        return weights, msgspec.json.decode(file.metadata()[METRICS], type=kind)
