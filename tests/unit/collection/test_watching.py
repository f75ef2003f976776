"""When the sources are looked at again."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from twin.collection.watching import Decision, Watch, decide, local_stamp
from twin.records import Source
from twin.warehouse import LastLook

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
FEED = Source(kind="feed", location="https://a.example/feed")
NOTES = Source(kind="folder", location="/notes")


def looked(ago: timedelta, *sources: Source) -> dict[str, LastLook]:
    return {source.id: LastLook(at=NOW - ago, counts={}) for source in sources or (FEED, NOTES)}


def after(watch: Watch, looks: dict[str, LastLook], stamp: str = "a", now: datetime = NOW) -> Decision:
    return decide([FEED, NOTES], looks, watch, stamp, now=now, every=HOUR)


def test_a_twin_without_sources_is_left_alone() -> None:
    assert not decide([], {}, Watch(), "", now=NOW, every=HOUR).launch


def test_a_source_that_was_never_looked_at_is_due_at_once() -> None:
    assert after(Watch(), {}).launch
    assert after(Watch(), looked(timedelta(minutes=1), NOTES)).reason == "1 of 2 sources are due"


def test_sources_are_due_when_their_interval_is_over() -> None:
    assert not after(Watch(), looked(HOUR - timedelta(seconds=1))).launch
    assert after(Watch(), looked(HOUR)).launch


def test_what_was_noted_by_a_clock_that_ran_ahead_does_not_stop_the_watch() -> None:
    ahead = timedelta(days=-400)
    assert after(Watch(), looked(ahead)).launch
    assert after(Watch(launched_at=NOW - ahead), looked(HOUR)).launch


def test_a_run_that_failed_is_repeated_after_the_interval_and_not_at_every_tick() -> None:
    first = after(Watch(), {})
    assert first.launch
    soon = after(first.watch, {}, now=NOW + timedelta(minutes=1))
    assert not soon.launch
    assert after(soon.watch, {}, now=NOW + HOUR).launch


def test_local_files_are_read_soon_after_they_changed_and_rest() -> None:
    fresh = looked(timedelta(minutes=1))
    begun = after(Watch(), fresh, "a")
    assert not begun.launch
    changing = after(begun.watch, fresh, "b")
    assert not changing.launch
    assert not after(changing.watch, fresh, "c").launch, "still changing"
    resting = after(changing.watch, fresh, "b")
    assert resting.launch
    assert not after(resting.watch, fresh, "b").launch
    back = after(changing.watch, fresh, "a")
    assert not back.launch
    assert back.watch.changing is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.md").write_text("words")
    return tmp_path


def test_the_stamp_tells_every_change_of_a_file_and_nothing_else(folder: Path) -> None:
    source = Source(kind="folder", location=str(folder))

    def stamp() -> str:
        return local_stamp([source, FEED])

    seen = [stamp()]
    assert stamp() == seen[0]
    (folder / "inner" / "a.md").write_text("other words")
    seen.append(stamp())
    (folder / "b.md").write_text("new")
    seen.append(stamp())
    (folder / "b.md").rename(folder / "c.md")
    seen.append(stamp())
    (folder / "inner" / "a.md").unlink()
    seen.append(stamp())
    assert len(set(seen)) == len(seen)
    (folder / ".hidden").write_text("x")
    (folder / "loop").symlink_to(folder)
    with_link = stamp()
    (folder / ".hidden").write_text("xy")
    assert stamp() == with_link


def test_a_repository_changes_with_its_commits_and_not_with_its_files(tmp_path: Path) -> None:
    source = Source(kind="repository", location=str(tmp_path))
    (tmp_path / ".git" / "logs").mkdir(parents=True)
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    before = local_stamp([source])
    (tmp_path / "draft.md").write_text("not committed")
    assert local_stamp([source]) == before
    (tmp_path / ".git" / "logs" / "HEAD").write_text("a commit\n")
    assert local_stamp([source]) != before


def test_a_place_that_is_not_there_has_a_stamp_too(folder: Path) -> None:
    missing = Source(kind="folder", location=str(folder / "later"))
    before = local_stamp([missing])
    os.mkdir(folder / "later")  # noqa: PTH102 - as another program would
    assert local_stamp([missing]) != before
