"""What differs between two datasets, sample by sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from twin.records import InstructSample  # noqa: TC001 - msgspec reads the annotations at run time

if TYPE_CHECKING:
    from twin.datasets.instruct import InstructDataset

__all__ = ["Difference", "compare"]

SEEN = ("instruction", "answer", "context", "history", "split")
"""The fields of a sample that a model sees, or that say on which side it is."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What the second of two datasets has and has not, and which samples of one passage differ."""

    same_training_data: bool
    added: list[InstructSample]
    removed: list[InstructSample]
    changed: list[tuple[InstructSample, InstructSample]]
    """Before and after."""
    unchanged: int


def compare(before: InstructDataset, after: InstructDataset) -> Difference:
    """The difference from one dataset to another; a sample is the same one when its passage is."""
    old = {sample.id: sample for sample in before.samples}
    new = {sample.id: sample for sample in after.samples}
    both = [(old[key], sample) for key, sample in new.items() if key in old]
    changed = [(one, other) for one, other in both if any(getattr(one, name) != getattr(other, name) for name in SEEN)]
    return Difference(
        same_training_data=before.training_version == after.training_version,
        added=[sample for key, sample in new.items() if key not in old],
        removed=[sample for key, sample in old.items() if key not in new],
        changed=changed,
        unchanged=len(both) - len(changed),
    )
