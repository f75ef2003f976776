"""What a dataset would be made of and what that would take, without making anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from twin.datasets.instruct.building import to_be_written
from twin.datasets.instruct.planning import plan
from twin.datasets.writer import MAX_TOKENS, writer_messages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twin.records import Chunk

__all__ = ["Estimate", "estimate"]

START_SECONDS = 10.0
"""Loading the base model twice: to write, and to judge."""
SECONDS_A_WRITTEN = 4.0
"""Six beginnings and the likelihoods of what leads back, on two quiet cores (measured: 2.8 to 5)."""
SECONDS_A_PASSAGE = 0.05
"""Some searches each."""
TOKENS_A_WORD = 1.4


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """Of one run of `instruct_dataset`; what is in the cache already costs nothing."""

    passages: int
    """In the corpus."""
    suitable: int
    """That read as an answer and are no copies of what is held out."""
    train: int
    test: int
    written: int
    """For so many a model writes instructions."""
    seconds: float
    """Of this machine; waiting for a teacher is not in it."""
    prompt_tokens: int
    """That a teacher would read, at most; 0 without one."""
    completion_tokens: int
    """That a teacher would write, at most."""
    rejected: dict[str, int]


def estimate(
    chunks: Iterable[Chunk], *, cap: int, most_written: int, test_share: float, seed: int, has_teacher: bool
) -> Estimate:
    """What `build` would do with the same arguments."""
    planned = plan(chunks, cap=cap, test_share=test_share, seed=seed)
    written = to_be_written(planned, most_written, test_share)
    shown = sum(len(message["content"].split()) for chunk in written for message in writer_messages(chunk))
    alone = 0.0 if has_teacher else SECONDS_A_WRITTEN * len(written) + (START_SECONDS if written else 0.0)
    return Estimate(
        passages=len(planned.chunks),
        suitable=planned.suitable,
        train=len(planned.train),
        test=len(planned.test),
        written=len(written),
        seconds=round(alone + SECONDS_A_PASSAGE * (len(planned.train) + len(planned.test)), 1),
        prompt_tokens=round(shown * TOKENS_A_WORD) if has_teacher else 0,
        completion_tokens=MAX_TOKENS * len(written) if has_teacher else 0,
        rejected=planned.rejected,
    )
