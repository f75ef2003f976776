"""Any sentence model, in sentence-transformers, which is also what the other backends are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["ReferenceEncoder"]


class ReferenceEncoder:
    """A model that sentence-transformers loads, in float32 on the CPU."""

    def __init__(self, folder: Path, *, batch_size: int = 32) -> None:
        from sentence_transformers import SentenceTransformer, __version__

        self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        self._batch_size = batch_size
        self.description = f"sentence-transformers {__version__}, fp32"

    def encode(self, texts: Sequence[str], tokens: Sequence[Sequence[int]] = ()) -> np.ndarray:
        """Vectors of shape (n, dimensions), float32, unit length. Rows follow `texts`; `tokens` are not looked at.

        It sorts by length itself.
        """
        return self._model.encode(
            list(texts),
            batch_size=self._batch_size,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        ).astype(np.float32, copy=False)
