"""`llm-twin index` over a published index; no service runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

from llm_twin_dagster.cli import app
from twin.features.index.edge import EdgeIndex
from twin.home import Home
from twin.records import Chunk, chunk_id

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

DIMENSIONS = 384


def publish(index: EdgeIndex, size: int, *, force: bool = False) -> str | None:
    """The generation that is live after passages 0 to `size` were published."""
    chunks = [
        Chunk(
            id=chunk_id("doc", 1, number),
            document_id="doc",
            revision=1,
            ordinal=number,
            text=f"passage {number}",
            token_count=5,
            title="Title",
            url="https://a.example/",
            author="Ada",
        )
        for number in range(size)
    ]
    wanted = {chunk.id: "1" for chunk in chunks}
    vector = np.eye(DIMENSIONS, dtype=np.float32)[0]
    by_id = {chunk.id: (chunk, vector) for chunk in chunks}
    report = index.publish(wanted, lambda ids: [by_id[identity] for identity in ids], schema="model", force=force)
    return report.generation


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EdgeIndex:
    monkeypatch.setenv("TWIN_HOME", str(tmp_path))
    monkeypatch.delenv("QDRANT_URL", raising=False)
    return EdgeIndex(Home.from_settings().index, dimensions=DIMENSIONS)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["index", *arguments])


def test_before_the_first_publication_the_status_says_what_to_do(index: EdgeIndex):
    outcome = run("status")
    assert (outcome.exit_code, index.generation()) == (0, None)
    assert "llm-twin ingest" in outcome.stdout
    assert json.loads(run("status", "--json").stdout)["generations"] == []


def test_a_rollback_is_shown_with_what_it_holds_and_what_ends_it(index: EdgeIndex):
    first, second = publish(index, 2), publish(index, 3)
    outcome = run("rollback")
    assert outcome.exit_code == 0
    assert f"Generation {first} is live" in outcome.stdout.replace("\n", " ")
    assert "materialize vector_index --force" in outcome.stdout.replace("\n", " ")
    status = json.loads(run("status", "--json").stdout)
    assert (status["generation"], status["held"], status["problem"]) == (first, second, None)
    assert [(kept["name"], kept["passages"], kept["live"]) for kept in status["generations"]] == [
        (first, 2, True),
        (second, 3, False),
    ]
    assert publish(index, 3) == first
    assert publish(index, 3, force=True) == second
    assert json.loads(run("status", "--json").stdout)["held"] is None


def test_a_named_generation_is_gone_back_to_and_an_unknown_one_explained(index: EdgeIndex):
    names = [publish(index, size) for size in (1, 2, 3)]
    assert json.loads(run("rollback", "--to", str(names[0]), "--json").stdout)["generation"] == names[0]
    outcome = run("rollback", "--to", "nothing")
    assert outcome.exit_code == 1
    assert "holds no generation nothing" in outcome.output


def test_a_damaged_live_generation_is_a_problem_with_advice(index: EdgeIndex):
    generation = publish(index, 2)
    index.close()
    (Home.from_settings().index / "generations" / str(generation) / "shard" / "edge_config.json").write_text("{")
    outcome = run("status")
    assert outcome.exit_code == 1
    assert "materialize vector_index" in outcome.output.replace("\n", " ")
