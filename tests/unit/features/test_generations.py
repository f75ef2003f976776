"""Generations of the index on disk, without an engine."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from twin.errors import ArtifactError, IndexUnavailable, PublishConflict, UnknownName
from twin.features.index.contract import Changes, data_version
from twin.features.index.generations import Generations, Manifest

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def publish(generations: Generations, content: str, base: str | None = None) -> str:
    with generations.publishing():
        folder = generations.stage(base)
        (folder / "data").write_text(content)
        return generations.commit(
            Manifest(schema="s", created_at=NOW, data_version=data_version("s", {"a": content}), passages=1),
            {"a": content},
        )


def test_the_newest_of_several_publications_is_live(tmp_path: Path):
    generations = Generations(tmp_path)
    assert generations.current() is None
    names = [publish(generations, str(number)) for number in range(2)]
    assert generations.current() == names[-1]
    assert generations.points(names[-1]) == {"a": "1"}
    assert (generations.shard(names[0]) / "data").read_text() == "0"


def test_the_last_three_generations_are_kept(tmp_path: Path):
    generations = Generations(tmp_path)
    names = [publish(generations, str(number)) for number in range(5)]
    assert generations.names() == names[-3:]


def test_rolling_back_goes_one_generation_back_each_time_until_there_is_none(tmp_path: Path):
    generations = Generations(tmp_path)
    names = [publish(generations, str(number)) for number in range(3)]
    assert [generations.rollback(), generations.rollback()] == [names[1], names[0]]
    with pytest.raises(IndexUnavailable, match="no generation earlier"):
        generations.rollback()
    assert generations.current() == names[0]


def test_publishing_after_a_rollback_makes_a_newer_generation_that_leads_back_to_the_live_one(tmp_path: Path):
    generations = Generations(tmp_path)
    names = [publish(generations, str(number)) for number in range(2)]
    generations.rollback()
    assert generations.held() == names[1]
    newest = publish(generations, "2")
    assert generations.current() == newest > names[1]
    assert generations.held() is None
    assert generations.names() == [names[0], newest]
    assert generations.rollback() == names[0]


def test_a_named_generation_is_made_live_and_an_unknown_one_is_not(tmp_path: Path):
    generations = Generations(tmp_path)
    names = [publish(generations, str(number)) for number in range(3)]
    assert generations.rollback(names[0]) == names[0] == generations.current()
    assert generations.rollback(names[2]) == names[2] == generations.current()
    with pytest.raises(UnknownName, match="holds no generation 000009"):
        generations.rollback("000009-x")
    assert generations.current() == names[2]


def test_what_was_moved_into_place_and_never_went_live_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    generations = Generations(tmp_path)
    names = [publish(generations, str(number)) for number in range(2)]
    generations.rollback()
    with monkeypatch.context() as patched:
        patched.setattr(generations, "switch", lambda _: 1 / 0)  # killed between the two
        with pytest.raises(ZeroDivisionError):
            publish(generations, "2")
    assert generations.current() == names[0]
    assert generations.held() == names[1]


def test_a_removal_that_was_cut_short_leaves_no_part_of_a_generation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    generations = Generations(tmp_path)
    names = [publish(generations, str(number)) for number in range(3)]

    def cut_short(folder: Path, **_: object) -> None:
        if folder.exists():
            (folder / "manifest.json").unlink(missing_ok=True)
            raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", cut_short)
        with pytest.raises(ZeroDivisionError):
            publish(generations, "3")
    assert [generations.manifest(name).passages for name in generations.names()] == [1, 1, 1]
    assert names[0] not in generations.names()


def test_a_file_that_was_cut_short_is_found_by_its_size(tmp_path: Path):
    generations = Generations(tmp_path)
    name = publish(generations, "content")
    assert generations.damage(name) is None
    (generations.shard(name) / "data").write_text("cont")
    assert generations.damage(name) == "data has 4 bytes instead of 7"
    (generations.shard(name) / "data").unlink()
    assert generations.damage(name) == "data is missing"


def test_files_that_the_engine_never_changes_are_shared_between_generations(tmp_path: Path):
    generations = Generations(tmp_path)
    with generations.publishing():
        folder = generations.stage(None)
        for name in ("matrix.dat", "other.dat"):
            (folder / name).write_text("content")
        first = generations.commit(Manifest(schema="s", created_at=NOW, data_version="v" * 8, passages=0), {})
        copy = generations.stage(first)
        assert (copy / "matrix.dat").samefile(generations.shard(first) / "matrix.dat")
        assert not (copy / "other.dat").samefile(generations.shard(first) / "other.dat")


def test_files_that_a_reader_makes_for_a_moment_are_not_carried_over(tmp_path: Path):
    generations = Generations(tmp_path)
    name = publish(generations, "content")
    (generations.shard(name) / ".atomicwrite1").mkdir()
    with generations.publishing():
        assert [path.name for path in generations.stage(name).iterdir()] == ["data"]


def test_publishing_without_room_on_the_disk_is_refused_before_anything_is_written(tmp_path: Path):
    generations = Generations(tmp_path)
    free = shutil.disk_usage(tmp_path).free
    with generations.publishing(), pytest.raises(ArtifactError, match="Free some space"):
        generations.stage(None, room=free)
    assert not (tmp_path / "staging").exists()


def test_every_switch_changes_the_stamp(tmp_path: Path):
    generations = Generations(tmp_path)
    stamps = [generations.stamp()]
    for number in range(3):
        publish(generations, str(number))
        stamps.append(generations.stamp())
    assert stamps[0] is None
    assert len(set(stamps)) == 4


def test_a_staged_copy_is_the_same_bytes_and_leaves_its_base_alone(tmp_path: Path):
    generations = Generations(tmp_path)
    with generations.publishing():
        folder = generations.stage(None)
        sparse = b"\0" * 200_000 + b"x" * 10 + b"\0" * 300_000
        (folder / "nested").mkdir()
        with (folder / "nested" / "big").open("wb") as big:
            big.seek(200_000)
            big.write(b"x" * 10)
            big.truncate(len(sparse))
        name = generations.commit(Manifest(schema="s", created_at=NOW, data_version="v" * 8, passages=0), {})
        copy = generations.stage(name)
        assert (copy / "nested" / "big").read_bytes() == sparse
        assert (copy / "nested" / "big").stat().st_blocks * 512 < len(sparse) / 2
        (copy / "nested" / "big").write_bytes(b"changed")
    assert (generations.shard(name) / "nested" / "big").read_bytes() == sparse


def test_what_an_interrupted_publication_left_is_removed(tmp_path: Path):
    generations = Generations(tmp_path)
    (tmp_path / "staging" / "shard").mkdir(parents=True)
    with generations.publishing():
        assert not (tmp_path / "staging").exists()


def test_a_failed_publication_leaves_nothing_staged(tmp_path: Path):
    generations = Generations(tmp_path)
    name = publish(generations, "good")

    def interrupted() -> None:
        with generations.publishing():
            generations.stage(name)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert generations.current() == name
    assert not (tmp_path / "staging").exists()


def test_two_publications_at_once_are_a_conflict(tmp_path: Path):
    with (
        Generations(tmp_path).publishing(),
        pytest.raises(PublishConflict, match=rf"process {os.getpid()}"),
        Generations(tmp_path).publishing(),
    ):
        pass


def test_an_unreadable_manifest_says_what_to_do(tmp_path: Path):
    generations = Generations(tmp_path)
    name = publish(generations, "x")
    (tmp_path / "generations" / name / "manifest.json").write_text("{")
    with pytest.raises(IndexUnavailable, match="materialize vector_index"):
        generations.manifest(name)


def test_changes_tell_new_changed_vanished_and_kept_apart():
    changes = Changes.between({"a": "1", "b": "1", "c": "1"}, {"b": "2", "c": "1", "d": "1"})
    assert changes == Changes(added=["d"], changed=["b"], removed=["a"], unchanged=1)
    assert changes
    assert not Changes.between({"a": "1"}, {"a": "1"})


def test_the_data_version_follows_content_and_schema_not_order():
    assert data_version("s", {"a": "1", "b": "2"}) == data_version("s", {"b": "2", "a": "1"})
    assert len({data_version("s", {"a": "1"}), data_version("t", {"a": "1"}), data_version("s", {"a": "2"})}) == 3
