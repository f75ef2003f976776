"""The files that take longest come first, so that with several workers none of them is begun when the others end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest

from twin.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONGEST = (
    "test_end_to_end",
    "test_training",
    "test_stack",
    "test_registry",
    "test_nobody_is_told",
    "test_endpoint_local",
    "test_inference",
    "test_rag",
    "test_index_generations",
    "test_embedding_backends",
    "test_features_embedding",
    "test_rag_http",
    "test_mongod",
    "test_pages_made_by_javascript",
    "test_withheld",
    "test_ingest_command",
    "test_chat",
    "test_asset_graph",
    "test_datasets",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def warehouse(home: Path, mongo_uri: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """An empty one, which the settings name too; no twin.yaml is read."""
    monkeypatch.setenv("MONGODB_URI", mongo_uri)
    monkeypatch.setenv("MONGODB_DATABASE", mongo_database)
    monkeypatch.setenv("TWIN_CONFIG", str(home / "none.yaml"))
    with Warehouse(mongo_uri, mongo_database) as warehouse:
        yield warehouse
