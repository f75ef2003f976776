"""From a passage and its instruction to a sample: half with passages in the prompt, a few after earlier turns."""

from __future__ import annotations

import uuid
from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec.structs import replace

from twin.datasets.instruct import requests
from twin.datasets.instruct.choosing import split_off
from twin.datasets.instruct.search import SAMPLE_WORDS
from twin.prompts import HISTORY_WORDS
from twin.records import NAMESPACE, InstructSample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twin.datasets.instruct.choosing import Chosen
    from twin.datasets.instruct.planning import Plan
    from twin.datasets.instruct.search import Backwards
    from twin.records import Chunk

__all__ = ["sample_of", "with_histories"]

STRUCTURE = "structure"
"""Who wrote an instruction that is made from title and headings."""
HISTORIES = 8
"""One training sample in so many comes after an earlier question about the same document, where there can be one."""


def sample_of(
    chunk: Chunk,
    chosen: Chosen,
    planned: Plan,
    backwards: Backwards,
    *,
    writer: str,
    measured: Mapping[tuple[str, str], float],
) -> InstructSample:
    """The sample of a passage. Whether its prompt shows passages follows from the sample's id."""
    identity = uuid.uuid5(NAMESPACE, f"instruct/{chunk.id}")
    method, instruction = chosen.candidate
    answer, parts = planned.answers[chunk.id], None
    if method == "continuation" and (parts := split_off(answer)):
        answer = parts[1]
    shows = parts is None and identity.int % 2 == 0
    return InstructSample(
        id=str(identity),
        instruction=instruction,
        answer=answer,
        author=chunk.author,
        document_id=chunk.document_id,
        chunk_id=chunk.id,
        split="test" if chunk.document_id in planned.test_documents else "train",
        context=backwards.passages(instruction, chunk) if shows else [],
        writer=writer if method == "written" else STRUCTURE,
        method=method,
        rank=chosen.rank,
        pmi=measured.get((chunk.id, instruction)),
        candidates=chosen.looked_at,
    )


def with_histories(samples: Sequence[InstructSample], planned: Plan) -> list[InstructSample]:
    """The samples, a few training samples with a question about the passage before theirs as an earlier turn."""
    documents: defaultdict[str, list[Chunk]] = defaultdict(list)
    for chunk in planned.usable:
        documents[chunk.document_id].append(chunk)
    return [_after_another(sample, documents[sample.document_id], planned.answers) for sample in samples]


def _after_another(sample: InstructSample, document: Sequence[Chunk], answers: Mapping[str, str]) -> InstructSample:
    is_one = sample.split == "train" and sample.method != "continuation"
    if not is_one or uuid.UUID(sample.id).int // 2 % HISTORIES:
        return sample
    left = SAMPLE_WORDS - sum(len(text.split()) for text in (sample.answer, *sample.context))
    place = next((index for index, chunk in enumerate(document) if chunk.id == sample.chunk_id), 0)
    for chunk in reversed(document[:place]):
        asked = next(iter(requests.about_heading(chunk, 1)), None)
        if asked and len(asked.split()) + len(answers[chunk.id].split()) <= min(HISTORY_WORDS, left):
            return replace(sample, history=[(asked, answers[chunk.id])])
    return sample
