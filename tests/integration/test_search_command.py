"""`llm-twin search` as a person uses it: on the published index alone, telling what the query was taken to ask for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from llm_twin_dagster.cli import app
from twin.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXTS = {
    ("Ada Byron", "How the index is published"): (
        "I publish the vector index as a whole generation. A new generation is written into a folder of its own, "
        "flushed to disk, and only then does the pointer move, so that a search never sees half of an index."
    ),
    ("Bob Stone", "How I publish books"): (
        "I publish my books with a small press. An index at the end of a book takes me a week, and I write it by hand, "
        "on cards, because only then do I know what the book is really about."
    ),
}


def test_a_search_names_its_filters_and_reads_only_the_index(
    home: Path, mongo_uri: str, mongo_database: str, ingest: Callable[..., None]
) -> None:
    with Warehouse(mongo_uri, mongo_database) as warehouse:
        ingest(home, warehouse, TEXTS)
    asked = ["search", "What does Bob Stone say about an index?"]
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0, shown.output
    assert "author: Bob Stone" in shown.stderr
    assert "How I publish books" in shown.stdout
    assert "How the index is published" not in shown.stdout

    found = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert [passage["author"] for passage in found["passages"]] == ["Bob Stone"]
    assert found["interpretation"]["text"] == "What does say about an index?"
    assert 0.0 <= found["passages"][0]["relevance"] <= 1.0

    by_id = CliRunner().invoke(app, ["search", "index", "--author", "ada-byron", "--json"])
    assert [passage["author"] for passage in json.loads(by_id.stdout)["passages"]] == ["Ada Byron"]
    unknown = CliRunner().invoke(app, ["search", "index", "--author", "Eve"])
    assert unknown.exit_code != 0
    assert "Ada Byron" in unknown.stderr
