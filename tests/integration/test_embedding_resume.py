"""An embedding run that is killed goes on where it was."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from twin.features import embedding
from twin.features.embedding_cache import BATCH_TEXTS, EmbeddingCache
from twin.settings import EmbeddingSettings, read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TEXTS = [f"Passage number {number} is about subject {number * 7919 % 1009}. " * 4 for number in range(5 * BATCH_TEXTS)]

PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_embedding_resume import TEXTS
from twin.features import embedding
from twin.features.embedding_cache import EmbeddingCache
from twin.settings import EmbeddingSettings, read

EmbeddingCache(Path(sys.argv[1]), limit_mb=64).embed(embedding.load(read(EmbeddingSettings)), TEXTS)
print("done")
"""


class Watched:
    """The real embedder, and what it was asked for."""

    def __init__(self, embedder: embedding.SentenceEmbedder) -> None:
        self._embedder = embedder
        self.name, self.dimensions, self.max_tokens = embedder.name, embedder.dimensions, embedder.max_tokens
        self.embedded: list[str] = []

    def count_tokens(self, text: str) -> int:
        return self._embedder.count_tokens(text)

    def truncate(self, text: str) -> str:
        return self._embedder.truncate(text)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.embedded += texts
        return self._embedder.embed(texts)


def test_a_killed_process_loses_at_most_the_batch_at_hand(tmp_path: Path):
    path = tmp_path / "embeddings.sqlite"
    cache = EmbeddingCache(path, limit_mb=64)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path), __file__.rpartition("/")[0]], stdout=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 120
    while not path.exists() or cache.count() < 2 * BATCH_TEXTS:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate()

    done = cache.count()
    watched = Watched(embedding.load(read(EmbeddingSettings)))
    vectors = cache.embed(watched, TEXTS)

    assert "done" not in output
    assert done >= 2 * BATCH_TEXTS
    assert done % BATCH_TEXTS == 0, "a batch is there as a whole or not at all"
    assert len(watched.embedded) == len(TEXTS) - done
    some = [3, len(TEXTS) // 2, len(TEXTS) - 5]
    assert np.abs(vectors[some] - watched.embed([TEXTS[index] for index in some])).max() < 1e-5
