"""Fixtures that every test may use: the real embedded MongoDB, a fresh database, a fresh TWIN_HOME."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

os.environ.update(
    {
        "OPIK_SENTRY_ENABLE": "false",
        "OPIK_ANALYTICS_ENABLE": "false",
        "OPIK_DEFAULT_FLUSH_TIMEOUT": "5",
        "COMET_ERROR_TRACKING_ENABLE": "false",
        "COMET_DISABLE_ANNOUNCEMENT": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "GOMP_SPINCOUNT": "5000",
    }
)


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real mongod, for the whole session: MONGODB_URI where it is set, else the embedded one."""
    if uri := os.environ.get("MONGODB_URI"):
        yield uri
        return
    from twin.warehouse import mongod

    with mongod.start(tmp_path_factory.mktemp("mongod")) as running:
        yield running.uri


@pytest.fixture
def mongo_database(mongo_uri: str) -> Iterator[str]:
    """The name of a database that only this test uses."""
    from pymongo import MongoClient

    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    with MongoClient(mongo_uri) as client:
        client.drop_database(name)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty TWIN_HOME."""
    root = tmp_path / "home"
    root.mkdir()
    monkeypatch.setenv("TWIN_HOME", str(root))
    return root
