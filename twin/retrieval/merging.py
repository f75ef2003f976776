"""Neighbouring chunks of one document, read as the one passage that the author wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from twin.features.index import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twin.records import Passage

__all__ = ["merge"]


def merge(
    passages: Sequence[Passage],
    neighbours: Callable[[Sequence[Span]], list[list[Passage]]],
    *,
    words: int,
) -> list[Passage]:
    """The passages, those that stand next to each other joined in the document's order, at the place of the best.

    Only passages that the prompt has room for are joined, so that joining never pushes a better one out. A single chunk
    that is missing between two of them is fetched and filled in while there is room for it too. A joined passage has
    the scores, headings and id of its best chunk; `merged` names all of its chunks.

    Args:
        passages: Best first.
        neighbours: `VectorIndex.neighbours`.
        words: What the prompt has room for.

    Raises:
        IndexUnavailable: The index does not answer.
    """
    shown = _fitting(passages, words)
    known = {(passage.document_id, passage.revision, passage.ordinal): passage for passage in shown}
    for filler in _fillers(known, neighbours, words - sum(len(passage.text.split()) for passage in shown)):
        known[filler.document_id, filler.revision, filler.ordinal] = filler
    merged, seen = [], set()
    for passage in shown:
        if passage.chunk_id not in seen:
            run = _run(passage, known)
            seen.update(chunk.chunk_id for chunk in run)
            merged.append(_joined(passage, run))
    return [*merged, *passages[len(shown) :]]


def _fitting(passages: Sequence[Passage], words: int) -> Sequence[Passage]:
    """The leading passages of which at least the beginning fits."""
    for place, passage in enumerate(passages):
        if words <= 0:
            return passages[:place]
        words -= len(passage.text.split())
    return passages


Place = tuple[str, "int | None", "int | None"]


def _fillers(
    known: dict[Place, Passage], neighbours: Callable[[Sequence[Span]], list[list[Passage]]], room: int
) -> list[Passage]:
    """The chunks that are alone between two known ones, as many as there is room for."""
    gaps = [
        Span(document, revision, ordinal + 1, ordinal + 1)
        for document, revision, ordinal in known
        if revision is not None
        and ordinal is not None
        and (document, revision, ordinal + 1) not in known
        and (document, revision, ordinal + 2) in known
    ]
    if not gaps or room <= 0:
        return []
    found = []
    for chunk in (chunk for span in neighbours(gaps) for chunk in span):
        room -= len(chunk.text.split())
        if room < 0:
            break
        found.append(chunk)
    return found


def _run(passage: Passage, known: dict[Place, Passage]) -> list[Passage]:
    """The known chunks around a passage without a gap, in order."""
    document, revision, ordinal = passage.document_id, passage.revision, passage.ordinal
    if revision is None or ordinal is None:
        return [passage]
    first = last = ordinal
    while (document, revision, first - 1) in known:
        first -= 1
    while (document, revision, last + 1) in known:
        last += 1
    return [known[document, revision, place] for place in range(first, last + 1)]


def _joined(best: Passage, run: Sequence[Passage]) -> Passage:
    if len(run) == 1:
        return best
    return replace(
        best,
        text="\n\n".join(chunk.text for chunk in run),
        ordinal=run[0].ordinal,
        merged=[chunk.chunk_id for chunk in run],
    )
