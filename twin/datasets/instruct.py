"""Instruct data by instruction back-translation: the answers are the author's own passages, and a model writes the
instruction that each of them answers.

Li, Yu, Zhou, Schick, Levy, Zettlemoyer, Weston, Lewis (2023): "Self-Alignment with Instruction Backtranslation",
arXiv:2308.06259. As there, instructions are written for human text and then curated; here by rules instead of by the
model's own score, which a model of 135M parameters cannot give.
"""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import msgspec

from twin import prompts
from twin.datasets.passages import choose, distinct, is_answer
from twin.datasets.splits import held_out_documents, without_copies_of
from twin.datasets.writer import PROMPT_VERSION, InstructionWriter
from twin.records import NAMESPACE, Chunk, InstructSample, content_hash
from twin.text.words import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from twin.datasets.writer import InstructionCache, Writer

__all__ = ["VERSION", "InstructDataset", "Plan", "build", "plan", "to_messages"]

VERSION = "1"
"""Of the choice, the split and the filters."""

CONTEXT_ANSWER_WORDS = 120
CONTEXT_WORDS = 180
"""A sample shows its passage in the prompt and again as the answer, and has to fit a training sequence
(TRAINING_MAX_LENGTH)."""

REPEATED_PASSAGE = "repeats another passage"
COPY_OF_HELD_OUT = "repeats held-out text"
REPEATED_INSTRUCTION = "repeats another instruction"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an instruct dataset will be made of, before anything is written."""

    train: list[Chunk]
    test: list[Chunk]
    neighbours: dict[str, list[str]]
    """Chunk id to the texts just before and after it in its document, nearest first, fit to be shown beside it."""
    test_documents: frozenset[str]
    rejected: dict[str, int]


class InstructDataset(msgspec.Struct, frozen=True, kw_only=True):
    """Instructions with the author's own answers, split by document."""

    train: list[InstructSample]
    test: list[InstructSample]
    rejected: dict[str, int]
    """How many passages or instructions were left out, by reason."""
    test_documents: frozenset[str]
    """Every held-out document, those without a sample too."""
    writer: str

    @property
    def version(self) -> str:
        """A hash over all that a model trained on this would see; equal datasets have equal versions."""
        samples = sorted(msgspec.json.encode(sample).decode() for sample in (*self.train, *self.test))
        return content_hash(VERSION, PROMPT_VERSION, prompts.VERSION, *samples)[:32]


def build(
    chunks: Iterable[Chunk],
    writer: AbstractContextManager[Writer],
    *,
    writer_name: str,
    cache: InstructionCache,
    cap: int,
    test_share: float,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> InstructDataset:
    """Chooses passages, has an instruction written for each, and keeps the good pairs: `cap` of them at most.

    `writer` (a context manager such as `model_process(...)`, or `nullcontext(client)`) is entered only when some
    instruction is not in the cache. Passages that have not changed keep their instructions and their side of the split.

    Raises:
        ModelUnavailable, GenerationInterrupted, ...: What the writer raises; what it wrote until then is kept.
    """
    planned = plan(chunks, cap=cap, test_share=test_share, seed=seed)
    chosen = [*planned.test, *planned.train]
    instructions = InstructionWriter(writer, name=writer_name, cache=cache, seed=seed).write(
        chosen, on_progress=on_progress
    )
    rejected = Counter(planned.rejected)
    asked: set[str] = set()
    samples: list[InstructSample] = []
    for chunk, (instruction, reason) in zip(chosen, instructions, strict=True):
        repeated = normalise(instruction) in asked
        if reason or repeated:
            rejected[reason or REPEATED_INSTRUCTION] += 1
            continue
        asked.add(normalise(instruction))
        samples.append(_sample(chunk, instruction, planned, writer_name))
    return InstructDataset(
        train=[sample for sample in samples if sample.split == "train"],
        test=[sample for sample in samples if sample.split == "test"],
        rejected=dict(sorted(rejected.items())),
        test_documents=planned.test_documents,
        writer=writer_name,
    )


def plan(chunks: Iterable[Chunk], *, cap: int, test_share: float, seed: int) -> Plan:
    """Which passages become answers, on which side. Pure: no model is asked."""
    everything = list(chunks)
    suitable = [chunk for chunk in everything if is_answer(chunk.text)]
    held_out = held_out_documents({chunk.document_id: chunk.author for chunk in suitable}, test_share, seed)
    shown = [chunk for chunk in everything if chunk.document_id in held_out]
    candidates = sorted(suitable, key=lambda chunk: (chunk.document_id, chunk.ordinal))
    test = list(distinct(chunk for chunk in candidates if chunk.document_id in held_out))
    train = list(distinct(chunk for chunk in candidates if chunk.document_id not in held_out))
    own = without_copies_of((chunk.text for chunk in shown), train)
    rejected = {
        REPEATED_PASSAGE: len(suitable) - len(test) - len(train),
        COPY_OF_HELD_OUT: len(train) - len(own),
    }
    test_cap = min(len(test), max(1, round(cap * test_share)))
    chosen_train = choose(own, cap - test_cap, seed)
    chosen_test = choose(test, test_cap, seed)
    return Plan(
        train=chosen_train,
        test=chosen_test,
        neighbours=_neighbours([*chosen_train, *chosen_test], everything, shown, held_out),
        test_documents=frozenset(held_out),
        rejected={reason: count for reason, count in rejected.items() if count},
    )


def to_messages(sample: InstructSample) -> dict[str, list[dict[str, str]]]:
    """The sample as TRL's conversational prompt and completion, in the prompt that the twin is served with."""
    prompt = prompts.answer_messages(sample.instruction, sample.author, sample.context)
    return {"prompt": prompt, "completion": [{"role": "assistant", "content": sample.answer}]}


def _sample(chunk: Chunk, instruction: str, planned: Plan, writer_name: str) -> InstructSample:
    identity = uuid.uuid5(NAMESPACE, f"instruct/{chunk.id}")
    return InstructSample(
        id=str(identity),
        instruction=instruction,
        answer=chunk.text,
        author=chunk.author,
        document_id=chunk.document_id,
        chunk_id=chunk.id,
        split="test" if chunk.document_id in planned.test_documents else "train",
        context=_context(identity, chunk, planned.neighbours.get(chunk.id, [])),
        writer=writer_name,
    )


def _context(identity: uuid.UUID, chunk: Chunk, neighbours: Sequence[str]) -> list[str]:
    """The passages that the prompt shows: none for every second sample, else the answer's own among its neighbours.

    Whether there are any, and where among them the answer stands, follows from the sample's id.
    """
    left = CONTEXT_WORDS - len(chunk.text.split())
    if identity.int % 2 or len(chunk.text.split()) > CONTEXT_ANSWER_WORDS:
        return []
    context: list[str] = []
    for text in neighbours:
        if len(text.split()) <= left:
            context.append(text)
            left -= len(text.split())
    context.insert(identity.int // 2 % (len(context) + 1), chunk.text)
    return context


def _neighbours(
    chosen: Iterable[Chunk], everything: Iterable[Chunk], shown: Sequence[Chunk], held_out: set[str]
) -> dict[str, list[str]]:
    """The texts around each chosen chunk; around a training chunk none that repeats a held-out text."""
    documents: defaultdict[str, dict[int, Chunk]] = defaultdict(dict)
    wanted = list(chosen)
    kept = {chunk.document_id for chunk in wanted}
    for chunk in everything:
        if chunk.document_id in kept:
            documents[chunk.document_id][chunk.ordinal] = chunk
    around = {
        chunk.id: [
            documents[chunk.document_id][ordinal]
            for ordinal in (chunk.ordinal + 1, chunk.ordinal - 1)
            if ordinal in documents[chunk.document_id]
        ]
        for chunk in wanted
    }
    training = (chunk for near in around.values() for chunk in near if chunk.document_id not in held_out)
    clean = {chunk.id for chunk in without_copies_of((chunk.text for chunk in shown), training)}
    return {
        identity: [chunk.text for chunk in near if chunk.document_id in held_out or chunk.id in clean]
        for identity, near in around.items()
    }
