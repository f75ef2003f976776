"""Mastodon and other servers of the Fediverse, by the archive that a member can ask for: the public posts in its
outbox.json. The guide "Adding a source" tells how this file came about."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from twin.collection.collector import Draft, finish
from twin.collection.collectors.folder import as_path
from twin.collection.exports import export_files, posts
from twin.collection.faults import attempt
from twin.collection.files import stamps
from twin.collection.pages import markup, webpage
from twin.collection.web import urls
from twin.errors import InputError, SourceFailed, TwinError
from twin.text.dates import parse_date

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePosixPath

    from twin.collection.collector import Item
    from twin.collection.session import Session
    from twin.records import Source

__all__ = ["MastodonCollector"]

READER = f"mastodon/2 {webpage.VERSION}"
PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
ARCHIVE = re.compile(r"archive-\d{14}-[0-9a-f]{32}\.tar\.gz")


class MastodonCollector:
    """Reads an archive, the folder that it unpacks to, or outbox.json alone. Boosts are left out."""

    kind: Final = "mastodon"
    rank: Final = 15
    complete: Final = True
    accepts = "Mastodon's archive (archive-....tar.gz or .zip, its folder, or outbox.json)"

    def recognise(self, location: str) -> str | None:
        path = as_path(location)
        if path is None or not path.exists():
            return None
        if path.name == "outbox.json" or ARCHIVE.fullmatch(path.name):
            return str(path)
        return str(path) if {"outbox.json", "actor.json"} <= set(export_files.names_of(path)) else None

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        path = Path(source.location)
        read = partial(_read, path, source, session)
        return stamps.unless_unchanged(source, session, READER, export_files.files_of(path, _wanted), read)


def _wanted(path: PurePosixPath) -> bool:
    return path.name == "outbox.json"


def _read(path: Path, source: Source, session: Session) -> Iterator[Item]:
    max_bytes = session.settings.max_bytes * export_files.FILE_FACTOR
    with export_files.opened(path, _wanted, member_bytes=max_bytes) as export:
        yield from export.rejections()
        for member in export.members:
            for number, activity in enumerate(_activities(export_files.read(member, max_bytes)), 1):
                place = f"{export.place(member.path)}-{number}"
                if item := attempt(place, partial(_document, activity, number, source, session)):
                    yield item
        if not export.members:
            raise SourceFailed(f"{path} has no outbox.json: ask your server for a new archive.")


def _activities(outbox: bytes) -> list[Any]:
    try:
        return msgspec.json.decode(outbox)["orderedItems"]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError) as error:
        raise SourceFailed(f"outbox.json is not an ActivityPub outbox: {error}") from None


def _document(activity: Any, number: int, source: Source, session: Session) -> Item | None:
    try:
        draft = _draft(activity)
    except TwinError as error:
        raise SourceFailed(f"activity {number}: {error}") from None
    return finish(draft, source, session) if draft else None


def _draft(activity: Any) -> Draft | None:
    """What an activity makes; None for a boost, a short answer, or a picture alone."""
    note = activity.get("object") if isinstance(activity, dict) and activity.get("type") == "Create" else None
    if not isinstance(note, dict):
        return None
    is_public = PUBLIC in (*_list(note.get("to")), *_list(note.get("cc")))
    content = _markdown(note.get("content"))
    if not (posts.is_substantial(content) if note.get("inReplyTo") else posts.has_words(content)):
        return None
    url = urls.canonical(str(note.get("url") or note.get("id") or ""))
    if not urls.is_web(url):
        raise InputError("it does not say where it is")
    return Draft(
        url=url,
        title=str(note.get("summary") or posts.headline(content)),
        content=content,
        kind="post",
        platform=urls.host(url),
        published_at=parse_date(note.get("published")),
        language=_language(note.get("contentMap")),
        markup="plain",
        said={} if is_public else {"visibility": "private"},
    )


def _markdown(html: object) -> str:
    return markup.to_markdown(markup.parse(html)) if isinstance(html, str) and html.strip() else ""


def _language(contents: object) -> str | None:
    """The only language of a post; one in several is told by its text."""
    return next(iter(contents)) if isinstance(contents, dict) and len(contents) == 1 else None


def _list(value: object) -> list[str]:
    """ActivityPub gives one of something as itself."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]


COLLECTOR = MastodonCollector()
