"""Instruct data by instruction back-translation: the answers are the author's own passages, and each gets an
instruction that leads back to it.

Li, Yu, Zhou, Schick, Levy, Zettlemoyer, Weston, Lewis (2023): "Self-Alignment with Instruction Backtranslation",
arXiv:2308.06259. As there, instructions are made for human text and then curated. The curator is not the model's own
score, which a model of 135M parameters cannot give, but the twin's search: an instruction is kept when it finds its
passage.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from twin.datasets.instruct.choosing import LEADS_STRAIGHT_BACK, Chooser, Chosen, candidates, method_of
from twin.datasets.instruct.dataset import InstructDataset
from twin.datasets.instruct.keywords import Keywords
from twin.datasets.instruct.planning import COPY_OF_HELD_OUT, plan
from twin.datasets.instruct.reading import gains
from twin.datasets.instruct.samples import sample_of, with_histories
from twin.datasets.instruct.search import Backwards, Shown
from twin.datasets.leakage import leaks
from twin.text.words import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from twin.datasets.instruct.planning import Plan
    from twin.datasets.instruct.reading import Reader
    from twin.datasets.instruct.search import Search
    from twin.datasets.writer import InstructionCache
    from twin.records import Chunk, InstructSample

    Gains = Mapping[tuple[str, str], float]
    """By chunk id and instruction."""

__all__ = ["InstructionSource", "build", "to_be_written"]

LEAST_GAIN = 0.1
"""Nats a token that a written instruction has to bring: what brings less shares words with the passage by chance."""
MOST_MEASURED = 3
"""Written instructions of a passage that are measured, the best ranks first: each costs a pass over the passage."""
LEADS_ELSEWHERE = "no instruction leads back"


class InstructionSource(Protocol):
    """What writes instructions for passages: `FewShot` with the base model, `InstructionWriter` with a teacher."""

    name: str

    def write(self, chunks: Sequence[Chunk]) -> list[list[str]]:
        """For each chunk the instructions that can be used; some have none."""
        ...


def build(
    chunks: Iterable[Chunk],
    search: Search,
    writer: InstructionSource,
    *,
    cache: InstructionCache,
    reader: Reader | None = None,
    shown: Shown | None = None,
    search_name: str = "",
    cap: int,
    most_written: int,
    test_share: float,
    seed: int,
    on_progress: Callable[[str], None] = lambda message: None,
) -> InstructDataset:
    """Chooses passages, finds for each an instruction that leads back to it, and keeps the pairs: `cap` at most.

    A third of the instructions is made from heading and title, a third from these and two keywords, and a third is
    written by `writer`, for `most_written` passages at most. `reader` measures how much likelier passages become by
    what was written; without one the best rank decides. `shown` says what the twin shows for a question, and
    `search_name` which search it is; what was written, found and measured is kept in `cache`.

    Raises:
        IndexUnavailable: The search has no index.
        PlatformError, ModelUnavailable, ...: What writer and reader raise; what they did until then is kept.
    """
    planned = plan(chunks, cap=cap, test_share=test_share, seed=seed)
    passages = [*planned.train, *planned.test]
    backwards = Backwards(search, planned, cache=cache, shown=shown or Shown(), name=search_name)
    desk = _Desk(planned, backwards)
    written = _written(to_be_written(planned, most_written, test_share), writer, backwards)
    on_progress(f"{writer.name} wrote instructions that lead back for {len(written)} passages")
    chosen = desk.choose([chunk for chunk in passages if chunk.id not in written], {})
    measured = _measured(planned, written, chosen, reader, cache)
    chosen |= desk.choose([chunk for chunk in passages if chunk.id in written], _best_first(written, measured))
    on_progress(f"{len(chosen)} of {len(passages)} passages have an instruction that leads back")
    samples = [
        sample_of(chunk, chosen[chunk.id], planned, backwards, writer=writer.name, measured=measured)
        for chunk in passages
        if chunk.id in chosen
    ]
    samples = with_histories(samples, planned)
    return _dataset(samples, planned, writer.name, {LEADS_ELSEWHERE: len(passages) - len(samples)})


def _dataset(
    samples: Sequence[InstructSample], planned: Plan, writer: str, rejected: dict[str, int]
) -> InstructDataset:
    """The samples by split, without those that ask or show on one side what belongs to the other."""
    train = [sample for sample in samples if sample.split == "train"]
    asked = {normalise(sample.instruction) for sample in train}
    test = [one for one in samples if one.split == "test" and normalise(one.instruction) not in asked]
    leaking = {leak.sample_id for leak in leaks(train, test, planned.held_out)}
    return InstructDataset(
        train=[sample for sample in train if sample.id not in leaking],
        test=test,
        rejected=dict(
            sorted((Counter(planned.rejected) + Counter(rejected | {COPY_OF_HELD_OUT: len(leaking)})).items())
        ),
        test_documents=planned.test_documents,
        writer=writer,
    )


class _Desk:
    """Where passages get their instructions. What is held out changes nothing in training, nor asks the same."""

    def __init__(self, planned: Plan, backwards: Backwards) -> None:
        self._plan = planned
        self._keywords = Keywords(planned.learnable)
        self._of_train = Chooser(backwards.rank, len(planned.train))
        self._of_test = Chooser(backwards.rank, len(planned.test), others=self._of_train)

    def choose(self, chunks: Iterable[Chunk], written: Mapping[str, Sequence[str]]) -> dict[str, Chosen]:
        """The instruction of each passage that has one, by chunk id; `written` has what a model wrote, best first."""
        found: dict[str, Chosen] = {}
        for chunk in chunks:
            answer, is_test = self._plan.answers[chunk.id], chunk.document_id in self._plan.test_documents
            method = method_of(chunk, answer, is_test=is_test)
            offered = candidates(chunk, method, self._keywords, answer=answer, written=written.get(chunk.id, ()))
            chosen = (self._of_test if is_test else self._of_train).choose(chunk, offered)
            if chosen is not None:
                found[chunk.id] = chosen
        return found


def to_be_written(planned: Plan, most: int, test_share: float) -> list[Chunk]:
    """The passages that a model writes for: its third, at most `most` of them, shared out over the splits."""
    most_test = round(most * test_share)
    return [
        chunk
        for split, limit in ((planned.test, most_test), (planned.train, most - most_test))
        for chunk in [
            one
            for one in split
            if method_of(one, planned.answers[one.id], is_test=one.document_id in planned.test_documents) == "written"
        ][:limit]
    ]


def _written(
    chunks: Sequence[Chunk], writer: InstructionSource, backwards: Backwards
) -> dict[str, list[tuple[str, int]]]:
    """What was written and leads straight back, with its rank, by chunk id; passages without any are left out."""
    found: dict[str, list[tuple[str, int]]] = {}
    for chunk, instructions in zip(chunks, writer.write(chunks) if chunks else [], strict=True):
        ranked = [(one, rank) for one in instructions if (rank := backwards.rank(one, chunk)) is not None]
        if straight := [(one, rank) for one, rank in ranked if rank <= LEADS_STRAIGHT_BACK]:
            found[chunk.id] = sorted(straight, key=lambda one: one[1])[:MOST_MEASURED]
    return found


def _measured(
    planned: Plan,
    written: Mapping[str, Sequence[tuple[str, int]]],
    chosen: Mapping[str, Chosen],
    reader: Reader | None,
    cache: InstructionCache,
) -> Gains:
    """How much likelier passages become by what was written, and, for comparison, by some of the other instructions."""
    if reader is None:
        return {}
    chunks = {chunk.id: chunk for chunk in (*planned.train, *planned.test)}
    others = [(key, one.candidate.text) for key, one in chosen.items() if one.candidate.method != "continuation"]
    wanted = [(key, text) for key, texts in written.items() for text, _ in texts] + others[: len(written) // 2]
    pairs = [(text, chunks[key], planned.answers[key]) for key, text in wanted]
    return dict(zip(wanted, gains(pairs, reader, cache), strict=True))


def _best_first(written: Mapping[str, Sequence[tuple[str, int]]], measured: Gains) -> dict[str, list[str]]:
    """What was written for each passage and makes it likelier: what does most first; by rank where none is measured."""
    return {
        key: [
            text
            for text, _ in sorted(texts, key=lambda one: (-measured.get((key, one[0]), 0.0), one[1]))
            if measured.get((key, text), LEAST_GAIN) >= LEAST_GAIN
        ]
        for key, texts in written.items()
    }
