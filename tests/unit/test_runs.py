"""What `llm-twin materialize SELECTION` selects."""

from __future__ import annotations

import pytest

from llm_twin_dagster.runs import selected
from twin.errors import UnknownName


def test_a_job_selects_its_assets_upstream_first() -> None:
    assert selected(["ingest"]) == ["raw_documents", "cleaned_documents", "chunks", "embeddings", "vector_index"]


@pytest.mark.parametrize(
    ("selection", "assets"),
    [
        (["vector_index"], ["vector_index"]),
        (["vector_index", "chunks"], ["chunks", "vector_index"]),
        (["+vector_index"], ["embeddings", "vector_index"]),
        (["group:serving"], ["inference_endpoint"]),
    ],
)
def test_assets_are_selected_in_dagsters_own_syntax(selection: list[str], assets: list[str]) -> None:
    assert selected(selection) == assets


@pytest.mark.parametrize("selection", [["nope"], ["ingest", "chunks"], ["a b ("], [""], ["group:nope"]])
def test_a_selection_of_nothing_says_what_there_is(selection: list[str]) -> None:
    with pytest.raises(UnknownName, match=r"The jobs are: everything, ingest(.|\n)*The assets are: raw_documents"):
        selected(selection)
