"""From a question to passages: understood, searched by meaning and words, reranked, judged, spread over documents."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, NamedTuple, Protocol

from msgspec.structs import replace

from twin.errors import IndexUnavailable
from twin.features.index import EVERYTHING, Facets, Filters, Span
from twin.records import utcnow
from twin.retrieval.authors import resolve
from twin.retrieval.diversity import spread
from twin.retrieval.footing import Footings
from twin.retrieval.merging import merge
from twin.retrieval.ranking import ProximityReranker
from twin.retrieval.relevance import by_relevance, calibration_of, relevant, with_relevance
from twin.retrieval.result import Interpretation, Restriction, Retrieval
from twin.retrieval.rewriting import PLAIN
from twin.retrieval.understanding import Known, Mention, Understood, stretch, understand
from twin.retrieval.verdict import LOOKED_AT, Ruling, rule, sighting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import numpy as np

    from twin.records import Passage
    from twin.retrieval.ranking import Reranker
    from twin.retrieval.rewriting import Rewriting, Wish
    from twin.retrieval.understanding import Field

__all__ = ["Retriever", "Searchable", "TextEmbedder", "best_author"]

FUSED_RANKS = 10
"""Constant of the reciprocal rank fusion of the rankings of several wordings."""


class TextEmbedder(Protocol):
    """What retrieval needs of an embedder."""

    name: str

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, float32, one row per text."""
        ...

    def truncate(self, text: str) -> str:
        """The longest beginning of a text that the model takes whole."""
        ...


class Searchable(Protocol):
    """What retrieval needs of a vector index."""

    def search(self, text: str, vector: np.ndarray, k: int, *, filters: Filters = EVERYTHING) -> list[Passage]:
        """The `k` best passages, best first."""
        ...

    def neighbours(self, spans: Sequence[Span]) -> list[list[Passage]]:
        """The passages of each span, in their order in the document."""
        ...

    def facets(self) -> Facets:
        """What the index has passages of."""
        ...

    def count(self) -> int:
        """Passages in the index."""
        ...

    def generation(self) -> str | None:
        """The name of the published generation that is searched."""
        ...


class _Catalogue(NamedTuple):
    """What a generation of the index holds."""

    generation: str | None
    known: Known
    passages: int

    @property
    def only_author(self) -> tuple[str, ...]:
        """The author of all passages, if they have but one."""
        return self.known.authors if len(self.known.authors) == 1 else ()


class Retriever:
    """Hybrid search with everything around it. Blocking; safe to share between threads.

    The embedder and the index are asked for when they are needed, because making one may fail or take a while.
    """

    def __init__(
        self,
        embedder: Callable[[], TextEmbedder],
        index: Callable[[], Searchable],
        *,
        reranker: Reranker | None = None,
        clock: Callable[[], datetime] = utcnow,
        footings: Footings | None = None,
    ) -> None:
        self._embedder = embedder
        self._index = index
        self._reranker = reranker or ProximityReranker()
        self._clock = clock
        self._footings = footings or Footings()
        self._catalogue: _Catalogue | None = None
        self._reading = threading.Lock()

    def vector(self, text: str) -> np.ndarray:
        """Of a question, as it is searched with; an embedder that remembers questions computes it once."""
        embedder = self._embedder()
        return embedder.embed([embedder.truncate(text)])[0]

    def search(self, query: str, k: int, author: str | None = None) -> list[Passage]:
        """The passages of `retrieve`."""
        return self.retrieve(query, k, author=author).passages

    def retrieve(self, query: str, k: int, *, author: str | None = None, rewriting: Rewriting = PLAIN) -> Retrieval:
        """The `k` passages that fit `query` best, best first, relevant or not.

        All words of a long query are searched; its vector is that of what the embedding model takes.

        Args:
            query: The question as asked.
            k: How many passages.
            author: Whose passages alone are searched, whatever the question mentions.
            rewriting: What a language model made of the question.

        Raises:
            IndexUnavailable: The index does not answer, or nothing has been published to it.
        """
        catalogue = self._current()
        understood = _wished(self._understood(query, catalogue, author), rewriting.wish)
        depth = max(k, self._reranker.depth)
        found, read, given_up, vector = self._loosening(understood, depth, author)
        for wording in rewriting.queries:
            found = _fused(found, self._candidates(wording, self._vector(wording), depth, _filters(read, author)))
        ranked = self._reranker.rerank(read.text, found[:depth])
        kept: set[Field] = {"author"} if author is not None else set()  # searched alone, whatever is given up
        calibration = calibration_of(self._embedder().name)
        judged = with_relevance(read.text, ranked, calibration, indexed=catalogue.passages)
        # By default the figure that is shown also ranks; an embedding model that none was fitted for keeps the order.
        ordered = by_relevance if isinstance(self._reranker, ProximityReranker) and calibration.proximity else list
        passages = ordered(spread(ordered(judged), k, per_document=max(2, (k + 1) // 2)))
        passages = _with_nearest(passages, judged, k)
        return Retrieval(
            passages=passages,
            interpretation=Interpretation(
                text=read.text,
                restrictions=[_restriction(mention, given_up - kept) for mention in understood.mentions],
                queries=list(rewriting.queries),
                notes=list(rewriting.notes),
            ),
            authors=[*(_filters(read, author).authors or catalogue.only_author)],
            vector=vector.astype("float16").tobytes(),
            generation=catalogue.generation,
            reranker=self._reranker.name,
            seen=sighting(read.text, found, indexed=catalogue.passages, known=catalogue.known.authors),
        )

    def ruled(self, retrieval: Retrieval, *, least: float, min_relevance: float) -> Retrieval:
        """The retrieval with its verdict, which does not depend on how many passages were asked for.

        Args:
            retrieval: What was found.
            least: Confidence from which there is an answer.
            min_relevance: Decides instead, where the model's cosines tell nothing.

        Raises:
            IndexUnavailable: The index does not answer.
        """
        footing = self._footings.of(self._embedder(), self._index(), retrieval.generation)
        ruling = rule(retrieval.seen, footing, least=least) if retrieval.seen else None
        if ruling is None:
            ruling = Ruling(verdict="answer" if relevant(retrieval.passages, min_relevance) else "nothing")
        return replace(retrieval, ruling=ruling)

    def joined(self, passages: Sequence[Passage], words: int) -> list[Passage]:
        """The passages with neighbours in the same document joined; see `twin.retrieval.merging`.

        Raises:
            IndexUnavailable: The index does not answer.
        """
        return merge(passages, self._index().neighbours, words=words)

    def authors(self) -> list[str]:
        """Those whose passages can be searched now, by name.

        Raises:
            IndexUnavailable: The index does not answer, or nothing has been published to it.
        """
        return sorted(self._current().known.authors)

    def author(self, wanted: str) -> str:
        """The author's name as the index has it, found by name or id, whatever the case.

        Raises:
            UnknownAuthor: Nobody has that name; says who there is.
            IndexUnavailable: The index does not answer, or nothing has been published to it.
        """
        return resolve(wanted, self.authors())

    @property
    def reranker(self) -> str:
        """How candidates are judged."""
        return self._reranker.name

    def generation(self) -> str | None:
        """The index generation that is searched now; None when nothing has been published."""
        return self._index().generation()

    def warm(self) -> None:
        """Loads the models, which the first question would otherwise wait for."""
        embedder = self._embedder()
        embedder.embed(["warm"])
        self._reranker.warm()
        with contextlib.suppress(IndexUnavailable):  # nothing published yet
            self._footings.of(embedder, self._index(), self._current().generation)

    def _understood(self, query: str, catalogue: _Catalogue, author: str | None) -> Understood:
        known = catalogue.known
        if author is not None:
            known = replace(known, authors=(author,))
        return understand(query, known, now=self._clock())

    def _loosening(
        self, understood: Understood, depth: int, author: str | None
    ) -> tuple[list[Passage], Understood, set[Field], np.ndarray]:
        """Candidates, what was still asked for when there were any, the restrictions given up for that, and the vector
        that was searched with."""
        given_up: set[Field] = set()
        while True:
            vector = self._vector(understood.text)
            found = self._candidates(understood.text, vector, depth, _filters(understood, author))
            looser = None if found else understood.loosened()
            if looser is None:
                return found, understood, given_up, vector
            understood, field = looser
            given_up.add(field)

    def _vector(self, text: str) -> np.ndarray:
        embedder = self._embedder()
        return embedder.embed([embedder.truncate(text)])[0]

    def _candidates(self, text: str, vector: np.ndarray, depth: int, filters: Filters) -> list[Passage]:
        return self._index().search(text, vector, depth, filters=filters)

    def _current(self) -> _Catalogue:
        """The catalogue of the live generation, read anew when another is live."""
        index = self._index()
        generation, catalogue = index.generation(), self._catalogue
        if catalogue is not None and catalogue.generation == generation:
            return catalogue
        with self._reading:
            if self._catalogue is None or self._catalogue.generation != generation:
                self._catalogue = _Catalogue(generation, _known(index.facets()), index.count())
            return self._catalogue


def best_author(passages: Sequence[Passage]) -> str:
    """The author whose passages together score highest; the one ranked first among equals.

    Raises:
        ValueError: There is no passage.
    """
    totals: dict[str, float] = {}
    for passage in passages:
        totals[passage.author] = totals.get(passage.author, 0.0) + passage.score
    return max(totals, key=lambda author: totals[author])


def _with_nearest(passages: list[Passage], judged: Sequence[Passage], k: int) -> list[Passage]:
    """With the passage that is nearest in meaning as the last, where neither words nor rank brought it in.

    A question in words of the reader's own may be answered by that one alone.
    """
    nearest = max(judged[:LOOKED_AT], key=lambda one: one.similarity or -1.0, default=None)
    if nearest is None or k < 2 or len(passages) < k or any(one.text == nearest.text for one in passages):
        return passages
    return [*passages[: k - 1], nearest]


def _known(facets: Facets) -> Known:
    return Known(
        authors=tuple(facets.authors),
        platforms=tuple(facets.platforms),
        kinds=tuple(facets.kinds),
        published_from=facets.published_from,
        published_until=facets.published_until,
    )


def _filters(understood: Understood, author: str | None) -> Filters:
    return understood.filters if author is None else replace(understood.filters, authors=(author,))


def _wished(understood: Understood, wish: Wish) -> Understood:
    """With what a language model read from the question, where the rules found nothing."""
    mentions, filters = [*understood.mentions], understood.filters
    if wish.author and not filters.authors:
        mentions.append(Mention(field="author", text="", means=wish.author))
        filters = replace(filters, authors=(wish.author,))
    if (wish.published_from or wish.published_until) and not filters.published_bounds:
        means = stretch(wish.published_from, wish.published_until)
        mentions.append(Mention(field="published", text="", means=means))
        filters = replace(filters, published_from=wish.published_from, published_until=wish.published_until)
    return Understood(question=understood.question, mentions=tuple(mentions), filters=filters)


def _restriction(mention: Mention, given_up: set[Field]) -> Restriction:
    applied = mention.field not in given_up
    return Restriction(field=mention.field, text=mention.text, means=mention.means, applied=applied)


def _fused(first: Sequence[Passage], second: Sequence[Passage]) -> list[Passage]:
    """Two rankings as one by reciprocal ranks; what both found has the figures of the first."""
    scores: dict[str, float] = {}
    passages: dict[str, Passage] = {}
    for ranking in (first, second):
        for rank, passage in enumerate(ranking):
            scores[passage.chunk_id] = scores.get(passage.chunk_id, 0.0) + 1 / (FUSED_RANKS + rank)
            passages.setdefault(passage.chunk_id, passage)
    return [replace(passages[key], score=scores[key]) for key in sorted(scores, key=lambda key: -scores[key])]
