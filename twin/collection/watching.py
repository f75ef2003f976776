"""When the sources should be looked at again: some time after the last look, and soon after a local file changed.

Servers are asked at set intervals. Folders, files and local repositories are compared with what they were by size and
time alone, which costs no more than listing them.
"""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from twin.collection.web.source_hosts import host_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from twin.records import Source
    from twin.warehouse import LastLook

__all__ = ["Decision", "Watch", "decide", "local_stamp", "remembered"]

MAX_ENTRIES = 50_000
"""So many files are compared at each tick; what lies beyond waits for its interval."""
GIT_FILES = ("HEAD", "logs/HEAD", "packed-refs")
"""What changes with every commit; the files beside them do not count before they are committed."""


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered from one tick to the next."""

    launched_at: Annotated[datetime, msgspec.Meta(tz=True)] = datetime(1970, 1, 1, tzinfo=UTC)
    """When the last run was launched, whatever became of it."""
    read: str | None = None
    """The stamp of the local sources when that was, or when the watch began."""
    changing: str | None = None
    """Another stamp, seen at the last tick; a run is launched when it is the same at the next."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether to look at the sources now, why, and what to remember."""

    launch: bool
    reason: str
    watch: Watch


def remembered(text: str | None) -> Watch | None:
    """What was remembered at the last tick; None when it cannot be read, as another version may have written it."""
    if not text:
        return Watch()
    try:
        return msgspec.json.decode(text, type=Watch)
    except msgspec.DecodeError:
        return None


def decide(
    sources: Sequence[Source],
    looks: Mapping[str, LastLook],
    watch: Watch,
    stamp: str,
    *,
    now: datetime,
    every: timedelta,
) -> Decision:
    """Whether to look at the sources now.

    Args:
        sources: Everything that the twin reads.
        looks: How the last look at each went, by source id.
        watch: What was remembered at the last tick.
        stamp: `local_stamp` of the sources as they are.
        now: The time.
        every: How long after a look the next is due; also after one that failed.
    """
    if not sources:
        return Decision(launch=False, reason="The twin has no sources.", watch=watch)
    waited = _is_over(every, watch.launched_at, now)
    due = [source for source in sources if source.id not in looks or _is_over(every, looks[source.id].at, now)]
    if due and waited:
        launched = Watch(launched_at=now, read=stamp)
        return Decision(launch=True, reason=f"{len(due)} of {len(sources)} sources are due", watch=launched)
    if watch.read is None:
        begun = msgspec.structs.replace(watch, read=stamp)
        return Decision(launch=False, reason="Watching begins; no source is due.", watch=begun)
    if stamp == watch.read:
        settled = msgspec.structs.replace(watch, changing=None)
        return Decision(launch=False, reason="No source is due, and no local file has changed.", watch=settled)
    if stamp != watch.changing:
        changing = msgspec.structs.replace(watch, changing=stamp)
        return Decision(launch=False, reason="Local files are changing; waiting until they rest.", watch=changing)
    return Decision(launch=True, reason="local files have changed", watch=Watch(launched_at=now, read=stamp))


def _is_over(every: timedelta, since: datetime, now: datetime) -> bool:
    """Whether that long has gone by. What comes from the future was noted by a clock that was wrong, and is over."""
    return not timedelta() <= now - since < every


def local_stamp(sources: Iterable[Source]) -> str:
    """Differs when a file of a local source was added, removed, written or replaced in between."""
    digest = hashlib.sha256()
    left = MAX_ENTRIES
    for location in sorted({source.location for source in sources if host_of(source.location) is None}):
        digest.update(f"{location}\n".encode("utf-8", "surrogateescape"))
        for entry in _entries(Path(location)):
            if left <= 0:
                break
            left -= 1
            digest.update(entry)
    return digest.hexdigest()[:32]


def _entries(root: Path) -> Iterator[bytes]:
    """A line for each file that may matter, in a fixed order."""
    if (root / ".git").is_dir():
        yield from (_line(root / ".git" / name) for name in GIT_FILES)
        return
    if not root.is_dir():
        yield _line(root)
        return
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (_line(Path(folder) / name) for name in sorted(files) if not name.startswith("."))


def _line(path: Path) -> bytes:
    name = os.fsencode(path)
    try:
        found = path.lstat()
    except OSError:
        return b"%s absent\n" % name
    return b"%s %d %d %d\n" % (name, found.st_size, found.st_mtime_ns, found.st_ino)
