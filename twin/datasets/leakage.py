"""Whether what is held out has reached training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from twin.datasets.splits import HeldOutText
from twin.text.words import normalise

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from twin.records import Chunk, InstructSample

__all__ = ["Leak", "leaks"]


class Leak(msgspec.Struct, frozen=True, kw_only=True):
    """A training sample that shows what is held out."""

    sample_id: str
    reason: str


def leaks(
    train: Collection[InstructSample], test: Collection[InstructSample], held_out: Iterable[Chunk] = ()
) -> list[Leak]:
    """The training samples that come from a test document, ask what a test sample asks, or show held-out text.

    A sample's text is all of it: answer, passages, instruction and earlier turns. It shows held-out text when a fifth
    of its runs of eight words is held out, or a fifth of one held-out text's runs is in it. `held_out` are all chunks
    of the test documents, those without a sample too; the test samples' own answers count in any case. What else a test
    sample's prompt shows may come from any document, as in service.
    """
    passages = list(held_out)
    documents = {sample.document_id for sample in test} | {chunk.document_id for chunk in passages}
    instructions = {normalise(sample.instruction) for sample in test}
    known = HeldOutText([*(chunk.text for chunk in passages), *(sample.answer for sample in test)])
    return [
        Leak(sample_id=sample.id, reason=reason)
        for sample in train
        for reason, leaked in (
            ("its document is held out", sample.document_id in documents),
            ("a test sample has the same instruction", normalise(sample.instruction) in instructions),
            ("it shows held-out text", any(known.is_in(text) for text in [sample.instruction, *_texts(sample)])),
        )
        if leaked
    ]


def _texts(sample: InstructSample) -> list[str]:
    return [sample.answer, *sample.context, *(answered for _, answered in sample.history)]
