"""`vector_index` as Dagster runs it after `llm-twin index rollback`, which lasts, is told of, and ends by force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from assets import features
from resources import all_resources
from twin.deployment import Deployment
from twin.features import pipeline
from twin.home import Home
from twin.records import Chunk, chunk_id, content_hash

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def deployment(home: Path, mongo_uri: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    monkeypatch.setenv("MONGODB_URI", mongo_uri)
    monkeypatch.setenv("MONGODB_DATABASE", mongo_database)
    return Deployment(Home(home))


def write(deployment: Deployment, *texts: str) -> None:
    """Makes these the passages in the artifact store, with their vectors."""
    chunks = {
        f"doc-{number}": Chunk(
            id=chunk_id(f"doc-{number}", 1, 0),
            document_id=f"doc-{number}",
            revision=1,
            ordinal=0,
            text=text,
            token_count=30,
            title="Notes",
            url=f"https://example.org/{number}",
            author="Ada",
        )
        for number, text in enumerate(texts)
    }
    inputs = {document: content_hash(chunk.text) for document, chunk in chunks.items()}
    deployment.artifacts.dataset("chunks", Chunk).sync(inputs, lambda keys: ((key, [chunks[key]]) for key in keys))
    pipeline.embed(deployment.artifacts, deployment.embedder)


def run(home: Path, *, force: bool = False) -> tuple[dict[str, Any], dg.AssetCheckEvaluation]:
    """What a run of the asset tells, and what its check says."""
    result = dg.materialize(
        [features.vector_index, features.index_is_complete],
        resources=all_resources(),
        run_config={
            "ops": {"vector_index": {"config": {"force": force}}},
            "resources": {"deployment": {"config": {"home": str(home)}}},
        },
    )
    metadata = result.asset_materializations_for_node("vector_index")[0].metadata
    return {name: value.value for name, value in metadata.items()}, result.get_asset_check_evaluations()[0]


def test_a_rollback_lasts_until_it_is_forced_or_other_passages_come(home: Path, deployment: Deployment):
    write(deployment, "The otter sleeps by the river.")
    first, check = run(home)
    assert check.passed
    assert "rollback" not in first
    write(deployment, "The otter sleeps by the river.", "The heron stands on one leg.")
    second, _ = run(home)

    assert deployment.vector_index.rollback() == first["generation"]
    held, check = run(home)
    assert (held["generation"], held["added"], held["dagster/row_count"]) == (first["generation"], 0, 1)
    assert f"{second['generation']} stays out of service" in held["rollback"]
    assert check.passed
    assert check.metadata["held"].value == second["generation"]

    forced, check = run(home, force=True)
    assert forced["generation"] == second["generation"]
    assert "held" not in check.metadata

    deployment.vector_index.rollback()
    write(deployment, "The otter sleeps by the river.", "The heron stands on both legs.")
    third, check = run(home)
    assert f"ends the rollback from {second['generation']}" in third["rollback"]
    assert check.passed
    assert "rollback" not in run(home)[0]
