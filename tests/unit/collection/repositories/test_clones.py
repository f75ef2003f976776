"""Kept clones end with their sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.collection.repositories import clones

if TYPE_CHECKING:
    from pathlib import Path


def test_the_clone_of_a_forgotten_source_goes(tmp_path: Path) -> None:
    for source in ("kept", "forgotten"):
        (clones.path_of(tmp_path, source) / "objects").mkdir(parents=True)
    clones.keep_only(tmp_path, {"kept", "not cloned yet"})
    assert [path.name for path in (tmp_path / "git").iterdir()] == ["kept.git"]
    clones.keep_only(tmp_path / "nothing", set())
