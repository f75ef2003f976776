"""A folder of markdown, HTML and text files, or one such file."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from twin.collection import frontmatter, text, urls, webpage
from twin.collection.base import Draft, failed, finish, parse_date, refused, too_large
from twin.errors import CollectionError, InputError, SourceFailed, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.collection.base import Item
    from twin.collection.session import Session
    from twin.records import Document, Rejected, Source
    from twin.settings import SourceSettings

__all__ = ["ENDINGS", "NOT_TEXT", "FolderCollector", "as_path", "markdown_draft"]

MARKDOWN = frozenset({".md", ".markdown", ".mdown", ".mdx"})
HTML = frozenset({".html", ".htm", ".xhtml"})
TEXT = frozenset({".txt", ".text"})
ENDINGS = MARKDOWN | HTML | TEXT
NOT_TEXT = frozenset(
    {
        ".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".svg", ".ico", ".bmp", ".tif", ".tiff", ".heic",
        ".woff", ".woff2", ".ttf", ".otf", ".eot",
        ".mp3", ".wav", ".ogg", ".flac", ".m4a", ".mp4", ".mov", ".webm", ".avi", ".mkv",
        ".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar",
    }
)  # fmt: skip
"""Images, fonts, sound, films and archives: what lies beside documents and nobody takes for one. Passed over."""


class FolderCollector:
    """Walks a folder in the order of names. Hidden names, images and the like (`NOT_TEXT`) are passed over; symbolic
    links are not followed."""

    kind: Final = "folder"
    rank: Final = 30
    complete: Final = True
    accepts = f"a folder, or one file ending in {', '.join(sorted(ENDINGS))}"

    def recognise(self, location: str) -> str | None:
        path = as_path(location)
        if path is None:
            return None
        if path.is_dir() or (path.is_file() and path.suffix.lower() in ENDINGS):
            return str(path)
        return None

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        settings = session.settings
        root = Path(source.location)
        if root.is_file():
            yield _collect_file(root, source, settings)
            return
        if not root.is_dir():
            raise SourceFailed(f"{root} does not exist: check the path, or remove this source.")
        empty = True
        closed: list[Path] = []
        for path in _walk(root, closed):
            empty = False
            yield _collect_file(path, source, settings)
        if closed:
            # Raised, so that what is in there is not taken for vanished
            raise SourceFailed(f"{len(closed)} folders cannot be opened, one is {closed[0]}: check who may read them.")
        if empty:
            raise SourceFailed(f"{root} has no documents. Files that are read end in {', '.join(sorted(ENDINGS))}.")


def as_path(location: str) -> Path | None:
    """The absolute path that a location names, a `file:` URL included; None for any other URL or for nothing."""
    if not location or "\0" in location:
        return None
    if location.lower().startswith("file://"):
        parts = urlsplit(location)
        if parts.netloc not in ("", "localhost"):
            return None
        location = url2pathname(parts.path)
    elif "://" in location:
        return None
    try:
        return Path(location).expanduser().resolve()
    except (OSError, RuntimeError):  # a name too long for the system, or a home folder that is not known
        return None


def markdown_draft(markdown: str, *, url: str, name: str) -> Draft:
    """A markdown text and what its front matter says. `name` is the title of a text that names none.

    Raises:
        SourceFailed: Its front matter is not YAML.
    """
    said, content = frontmatter.split(markdown)
    return Draft(
        url=_front_matter_url(said.url) or url,
        title=said.title or text.first_heading(content) or name,
        content=content,
        author=said.author,
        platform=urls.host(said.url or "") or "file",
        published_at=parse_date(said.date),
        language=said.language,
    )


def _front_matter_url(url: str | None) -> str | None:
    if not url or not urls.is_web(url):
        return None
    try:
        return urls.canonical(url)
    except InputError as error:
        raise SourceRefused(f"its front matter names an unusable url: {error}") from None


def _walk(root: Path, closed: list[Path]) -> Iterator[Path]:
    """The files under a folder that may be documents, depth first, in the order of names; adds folders that cannot be
    opened to `closed`."""
    waiting: list[tuple[Path, bool]] = [(root, True)]
    while waiting:
        path, is_folder = waiting.pop()
        if not is_folder:
            yield path
            continue
        try:
            with os.scandir(path) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError:
            closed.append(path)
            continue
        visible.sort(key=_name, reverse=True)  # what is added last is taken first
        found = [(Path(entry.path), entry.is_dir(follow_symlinks=False)) for entry in visible]
        waiting += [(path, is_folder) for path, is_folder in found if is_folder or not _is_not_text(path)]


def _is_not_text(path: Path) -> bool:
    return path.suffix.lower() in NOT_TEXT


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _collect_file(path: Path, source: Source, settings: SourceSettings) -> Document | Rejected:
    url = path.as_uri()
    try:
        draft = _read_draft(path, url, settings.max_bytes)
    except SourceRefused as refusal:
        return refused(url, str(refusal))
    except CollectionError as failure:
        return failed(url, str(failure))
    except OSError as error:
        return failed(url, f"it cannot be read: {error.strerror or error}")
    return finish(draft, source)


def _read_draft(path: Path, url: str, max_bytes: int) -> Draft:
    if path.is_symlink():
        raise SourceRefused("it is a symbolic link: add what it points to as a source of its own")
    ending = path.suffix.lower()
    if path.is_file() and ending not in ENDINGS:
        raise SourceRefused(f"it is not a document; files that are read end in {', '.join(sorted(ENDINGS))}")
    data = _read_bytes(path, max_bytes)
    name = _title_of(path)
    if ending in HTML:
        page = webpage.read(text.decode(data, webpage.declared_charset(data)))
        return Draft(
            url=url,
            title=page.title or name,
            content=page.content,
            author=page.author,
            published_at=page.published_at,
            language=page.language,
        )
    content = text.decode(data)
    return (
        markdown_draft(content, url=url, name=name)
        if ending in MARKDOWN
        else Draft(url=url, title=name, content=content)
    )


def _read_bytes(path: Path, max_bytes: int) -> bytes:
    with os.fdopen(_open_regular_file(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise SourceRefused(too_large(size, max_bytes))
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:  # it grew while it was read
        raise SourceRefused(too_large(None, max_bytes))
    if not data.strip():
        raise SourceRefused("it is empty")
    return data


def _open_regular_file(path: Path) -> int:
    """Opens without waiting for the other end of a pipe, and takes nothing but a regular file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceRefused("it is not a regular file")
    return descriptor


def _title_of(path: Path) -> str:
    readable = os.fsencode(path.stem).decode("utf-8", "replace")
    return " ".join(readable.replace("_", " ").replace("-", " ").split())


COLLECTOR = FolderCollector()
