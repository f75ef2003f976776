"""Late interaction (Khattab and Zaharia, SIGIR 2020) over the embedding model's own token vectors, as a rival reranker.

Each token of the question takes its most similar token of the passage. It was measured and left out: see
docs/decisions/reranking.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from support.rankings import CANDIDATES
from twin.retrieval.ranking import WEIGHTS, evidence, scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.xquad import Asked, Laboratory
    from twin.records import Passage

__all__ = ["late_interaction"]


def late_interaction(
    laboratory: Laboratory, asked: Sequence[Asked], pools: Sequence[Sequence[Passage]]
) -> dict[str, list[list[Passage]]]:
    """Two rankings of every question: by late interaction alone, and by its mean with the default reranker's score."""
    from sentence_transformers import SentenceTransformer

    folder: Any = getattr(laboratory.embedder, "folder", laboratory.embedder.name)
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    first = [pool[:CANDIDATES] for pool in pools]
    texts = {chunk.id: chunk.embedding_text for chunk in laboratory.chunks}
    needed = sorted({passage.chunk_id for candidates in first for passage in candidates})
    read = dict(zip(needed, _token_vectors(model, [texts[key] for key in needed]), strict=True))
    said = _token_vectors(model, [question.text for question in asked])
    alone, mixed = [], []
    for question, words, candidates in zip(asked, said, first, strict=True):
        closeness = [float((words @ read[passage.chunk_id].T).max(axis=1).mean()) for passage in candidates]
        alone.append(_ordered(candidates, closeness))
        both = [
            score + late for score, late in zip(_default(question.text, candidates), scaled(closeness), strict=True)
        ]
        mixed.append(_ordered(candidates, both))
    return {"late interaction": alone, "late interaction and proximity": mixed}


def _token_vectors(model: Any, texts: list[str]) -> list[np.ndarray]:
    vectors = model.encode(texts, output_value="token_embeddings", batch_size=16, show_progress_bar=False)
    return [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (np.asarray(each) for each in vectors)]


def _default(question: str, passages: Sequence[Passage]) -> list[float]:
    similarities = scaled([passage.similarity or 0.0 for passage in passages])
    words = scaled([passage.bm25 or 0.0 for passage in passages])
    return [
        float(np.dot(WEIGHTS, [similarity, score, *found]))
        for similarity, score, found in zip(similarities, words, evidence(question, passages), strict=True)
    ]


def _ordered(passages: Sequence[Passage], scores: Sequence[float]) -> list[Passage]:
    return [passages[place] for place in sorted(range(len(passages)), key=lambda place: -scores[place])]
