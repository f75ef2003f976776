from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twin.errors import TrainingFailed
from twin.training.program.container import Container

if TYPE_CHECKING:
    from pathlib import Path


def test_a_channel_is_where_the_toolkit_says_else_where_the_platform_puts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SM_CHANNEL_TRAIN", raising=False)
    own, elsewhere = tmp_path / "input" / "data" / "train", tmp_path / "elsewhere"
    own.mkdir(parents=True)
    elsewhere.mkdir()

    assert Container(tmp_path).channel("train") == own
    monkeypatch.setenv("SM_CHANNEL_TRAIN", str(elsewhere))
    assert Container(tmp_path).channel("train") == elsewhere


def test_a_missing_channel_is_named_with_both_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SM_CHANNEL_BASE", raising=False)
    with pytest.raises(TrainingFailed, match=r"'base' is missing: neither SM_CHANNEL_BASE nor .*input/data/base"):
        Container(tmp_path).channel("base")


@pytest.mark.parametrize("content", [None, "{", "[1]"])
def test_unreadable_hyperparameters_are_refused(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "input" / "config" / "hyperparameters.json"
    path.parent.mkdir(parents=True)
    if content is not None:
        path.write_text(content)
    with pytest.raises(TrainingFailed, match=r"hyperparameters\.json"):
        Container(tmp_path).hyperparameters()


def test_a_failure_leaves_its_reason_where_the_platform_looks(tmp_path: Path) -> None:
    container = Container(tmp_path)
    container.fail("x" * 5000)
    assert (tmp_path / "output" / "failure").read_text() == "x" * 1024
