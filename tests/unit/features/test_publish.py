"""What makes a passage a changed one to the index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twin.artifacts import ArtifactStore
from twin.features import pipeline
from twin.records import Chunk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class NamedEmbedder:
    name = "a-model"
    dimensions = 3


class WatchedIndex:
    """Keeps what it was asked to hold."""

    def publish(self, wanted: Mapping[str, str], load: Any, *, schema: str, force: bool = False) -> None:
        self.wanted = dict(wanted)


def fingerprint(folder: Path, text: str) -> str:
    chunk = Chunk(
        id="c", document_id="d", revision=1, ordinal=0, text=text, token_count=5, title="A", url="/a", author="Ada"
    )
    store = ArtifactStore(str(folder))
    store.dataset("chunks", Chunk).sync({"d": text}, lambda ids: [("d", [chunk])])
    index: Any = WatchedIndex()
    embedder: Any = NamedEmbedder()
    pipeline.publish(store, index, embedder)
    return index.wanted["c"]


def test_a_link_that_leads_elsewhere_is_a_change_though_it_is_not_embedded(tmp_path: Path) -> None:
    before = fingerprint(tmp_path, "See [the guide](https://example.com/1).")
    assert fingerprint(tmp_path, "See [the guide](https://example.com/1).") == before
    assert fingerprint(tmp_path, "See [the guide](https://example.com/2).") != before
