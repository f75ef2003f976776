"""Reranking with a cross-encoder, a model that reads question and passage together. Used when one is configured."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from twin.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.records import Passage

__all__ = ["CrossEncoderReranker"]

MAX_TOKENS = 512
DEPTH = 20


class CrossEncoderReranker:
    """A sentence-transformers CrossEncoder on the CPU. Safe to share between threads; loads on first use."""

    def __init__(self, model: str) -> None:
        """`model` is a folder or a Hugging Face id, which is fetched once unless HF_HUB_OFFLINE is set."""
        self.name = f"cross-encoder {Path(model).name}"
        self.depth = DEPTH
        self._source = model
        self._model: Any = None
        self._loading = threading.Lock()

    def rerank(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        """The passages by the model's score.

        Raises:
            SettingsError: There is no such model, or it cannot be read.
        """
        if not passages:
            return []
        pairs = [(question, f"{passage.title}\n{passage.text}") for passage in passages]
        scores = self._loaded().predict(pairs, show_progress_bar=False)
        scored = [replace(passage, score=float(score)) for passage, score in zip(passages, scores, strict=True)]
        return sorted(scored, key=lambda passage: -passage.score)

    def warm(self) -> None:
        """Loads the model, which the first question would otherwise wait for."""
        self._loaded()

    def _loaded(self) -> Any:
        with self._loading:
            if self._model is None:
                self._model = self._load()
            return self._model

    def _load(self) -> Any:
        from sentence_transformers import CrossEncoder

        folder = Path(self._source).expanduser()
        try:
            return CrossEncoder(str(folder) if folder.is_dir() else self._source, device="cpu", max_length=MAX_TOKENS)
        except (OSError, ValueError, KeyError) as error:
            raise SettingsError(
                f"RERANKER_MODEL={self._source} is neither the folder of a cross-encoder nor one in the Hugging Face "
                "hub or its local cache. Check the name, allow the download once with HF_HUB_OFFLINE=0, or unset "
                "RERANKER_MODEL to rerank by word proximity.",
                detail=repr(error),
            ) from error
