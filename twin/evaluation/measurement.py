"""The held-out questions asked of one generation of the index, by the whole search and by each of its halves alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from twin.errors import ArtifactError
from twin.evaluation.retrieval import DEPTH, Outcome, Question, ask, evaluate
from twin.evaluation.rivals import rivals
from twin.features.index import GenerationInfo  # noqa: TC001 - msgspec reads the annotations at run time
from twin.retrieval.retriever import Retriever

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.evaluation.retrieval import RetrievalScores
    from twin.features.embedding import Embedder
    from twin.features.index import VectorIndex
    from twin.retrieval.ranking import Reranker

__all__ = ["Measured", "measure"]

ATTEMPTS = 3
"""Publications that may come in between before an evaluation gives up."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What one generation finds."""

    searched: GenerationInfo
    outcomes: list[Outcome]
    alone: dict[str, RetrievalScores]
    """Of dense search alone and of BM25 alone, on the same questions."""
    left_out: int
    """Questions about passages that this generation does not hold: after a rollback the dataset is ahead of it."""


def measure(
    questions: Sequence[Question], embedder: Embedder, index: VectorIndex, reranker: Reranker | None = None
) -> Measured:
    """Asks one generation all questions whose passage it holds; once more from the first, if another becomes live.

    Raises:
        ArtifactError: It holds the passage of none, or generations changed faster than they could be asked.
        IndexUnavailable: The index does not answer, or nothing has been published to it.
    """
    retriever = Retriever(lambda: embedder, lambda: index, reranker=reranker)
    for _ in range(ATTEMPTS):
        name = index.generation()
        held = index.vectors([identity for question in questions for identity in question.relevant])
        asked = [question for question in questions if question.relevant & held.keys()]
        if not asked:
            raise ArtifactError(
                f"Generation {name} of the index holds the passage of none of the {len(questions)} held-out "
                "instructions. Bring both in step: `llm-twin materialize vector_index`, then `instruct_dataset`."
            )
        outcomes = ask(asked, lambda text, author: retriever.search(text, DEPTH, author))
        alone = {rival: evaluate(asked, search) for rival, search in rivals(embedder, index, DEPTH).items()}
        searched = next((one for one in index.status().generations if one.name == name), None)
        if searched is not None and index.generation() == name:
            return Measured(searched=searched, outcomes=outcomes, alone=alone, left_out=len(questions) - len(asked))
    raise ArtifactError("The index was published while it was evaluated. Run `retrieval_evaluation` when that is done.")
