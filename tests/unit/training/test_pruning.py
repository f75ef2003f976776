"""Which weights may go: never those that anything in use names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from twin.artifacts import ArtifactStore
from twin.records import ModelVersion
from twin.training import catalog
from twin.training.pruning import prunable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """Models `a` to `f`."""
    store, model = ArtifactStore(str(tmp_path / "store")), tmp_path / "model"
    model.mkdir()
    for name in "abcdef":
        (model / "weights").write_bytes(name.encode() * 1000)
        store.put_folder(f"models/{name}", model)
    return store


def version(number: int, folder: str, status: str = "Development", review: str = "approved") -> ModelVersion:
    return ModelVersion(
        name="m",
        version=f"1.{number}.0",
        status=status,
        tags=[],
        review=review,  # ty: ignore[invalid-argument-type]
        manifest={"folder": f"models/{folder}"},
    )


def folders(store: ArtifactStore, versions: list[ModelVersion], served: set[str | None], keep: int = 0) -> str:
    found = prunable(store, versions, served, keep=keep)
    return "".join(model.folder.removeprefix("models/") for model in found)


def test_what_somebody_asked_to_be_kept_is_kept(store: ArtifactStore) -> None:
    kept = msgspec.structs.replace(version(1, "a", review="rejected"), tags=["keep"])
    assert folders(store, [version(2, "b", review="rejected"), kept], set()) == "bcdef"


def test_what_no_version_names_may_go_but_the_model_that_was_made_last(store: ArtifactStore) -> None:
    assert folders(store, [], set()) == "abcdef"
    store.write(catalog.CURRENT, b"c")
    assert folders(store, [], set()) == "abdef"


def test_what_is_served_approved_or_awaits_review_stays(store: ArtifactStore) -> None:
    versions = [
        version(5, "f", review="pending"),
        version(4, "e", review="rejected"),
        version(3, "d", status="Production"),
        version(2, "c", status="Archived"),
        version(1, "b", status="Archived"),
        version(0, "a", status="Archived"),
    ]
    assert folders(store, versions, {"1.3.0", "1.1.0"}) == "ace"
    assert folders(store, versions, {None}, keep=3) == "abe", "the newest that nobody rejected: 1.5, 1.3 and 1.2"


def test_weights_that_two_versions_share_stay_for_either(store: ArtifactStore) -> None:
    versions = [version(1, "a", review="pending"), version(0, "a", review="rejected")]
    assert "a" not in folders(store, versions, set())


def test_what_a_model_is_of_and_takes_is_told(store: ArtifactStore) -> None:
    [model] = [m for m in prunable(store, [version(0, "a", review="rejected")], set(), keep=0) if "/a" in m.folder]
    assert model.versions == ("1.0.0",)
    assert 1000 < model.bytes < 1200
