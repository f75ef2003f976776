"""What is generated from the code is what is committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_twin_dagster.reference import pages

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", sorted(pages()))
def test_the_committed_page_is_what_the_code_writes(path: str) -> None:
    committed = (PROJECT / path).read_text(encoding="utf-8")
    assert committed == pages()[path], "run: python -m llm_twin_dagster.reference"
