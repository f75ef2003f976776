"""A git repository: its documentation and code as they are in the commit at HEAD."""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from twin.collection import git, text, urls
from twin.collection.base import Draft, failed, finish, refused, too_large
from twin.collection.collectors.folder import as_path
from twin.collection.formats import HTML, MARKDOWN, NOT_TEXT, TEXT, markdown_draft
from twin.collection.languages import code_language, why_not_written
from twin.collection.webpage import fenced
from twin.collection.webpage import read as read_html
from twin.errors import CollectionError, SourceFailed, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.collection.base import Item
    from twin.collection.session import Session
    from twin.records import Document, Rejected, Source
    from twin.settings import SourceSettings

__all__ = ["RepositoryCollector"]

FORGE = re.compile(r"https?://(?:www\.)?(github\.com|gitlab\.com)/([\w.-]+)/([\w.-]+?)(?:\.git)?/?", re.IGNORECASE)
FORGE_PAGES = frozenset(
    {"features", "topics", "search", "settings", "orgs", "explore", "marketplace", "sponsors", "about"}
)
SCP_LIKE = re.compile(r"[\w.-]+@[\w.-]+:[\w./~-]+")
PROSE = MARKDOWN | TEXT | frozenset({".rst", ".adoc"})


class RepositoryCollector:
    """Reads objects from git's own store; nothing is checked out, so no hook, filter or symbolic link takes part."""

    kind: Final = "repository"
    rank: Final = 20
    complete: Final = True
    accepts = (
        "a git repository (a folder with .git, a URL ending in .git, or github.com/OWNER/NAME or gitlab.com/OWNER/NAME)"
    )

    def recognise(self, location: str) -> str | None:
        if forge := FORGE.fullmatch(location):
            host, owner, name = forge.groups()
            return f"https://{host.lower()}/{owner}/{name}" if owner.lower() not in FORGE_PAGES else None
        if SCP_LIKE.fullmatch(location) or re.match(r"ssh://[\w.@-]+[:/]", location):
            return location.rstrip("/")
        if urls.is_web(location):
            return urls.canonical(location) if location.rstrip("/").endswith(".git") else None
        path = as_path(location)
        return str(path) if path and git.is_repository(path) else None

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        settings = session.settings
        with contextlib.ExitStack() as stack:
            folder = Path(source.location)
            if not git.is_repository(folder):
                scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="llm-twin-git-"))
                folder = Path(scratch)
                git.clone(_clone_url(source.location), folder, settings)
            blobs = stack.enter_context(git.Blobs(folder))
            empty = True
            for entry in git.tracked_files(folder):
                empty = False
                if PurePosixPath(entry.path).suffix.lower() not in NOT_TEXT:
                    yield _collect_file(entry, blobs, source, settings)
        if empty:
            raise SourceFailed(f"{source.location} has no files in its commit at HEAD.")


def _clone_url(location: str) -> str:
    return f"{location}.git" if FORGE.fullmatch(location) else location


def _collect_file(entry: git.Entry, blobs: git.Blobs, source: Source, settings: SourceSettings) -> Document | Rejected:
    url = _file_url(source.location, entry.path)
    try:
        return finish(_read_draft(entry, blobs, url, settings.max_bytes), source)
    except SourceRefused as refusal:
        return refused(url, str(refusal))
    except CollectionError as failure:
        return failed(url, str(failure))


def _read_draft(entry: git.Entry, blobs: git.Blobs, url: str, max_bytes: int) -> Draft:
    if not entry.is_file:
        raise SourceRefused("it is a symbolic link or a submodule")
    path = PurePosixPath(entry.path)
    ending = path.suffix.lower()
    language = code_language(path)
    if language is None and ending not in PROSE | HTML:
        raise SourceRefused("it is neither code nor documentation")
    if entry.size > max_bytes:
        raise SourceRefused(too_large(entry.size, max_bytes))
    content = text.decode(blobs.read(entry.sha))
    if reason := why_not_written(path, content):
        raise SourceRefused(reason)
    draft = _draft(content, path, language, url)
    draft.kind = "repository"
    draft.platform = urls.host(url) or "git"
    return draft


def _draft(content: str, path: PurePosixPath, language: str | None, url: str) -> Draft:
    if path.suffix.lower() in MARKDOWN:
        return markdown_draft(content, url=url, name=str(path))
    if path.suffix.lower() in HTML:
        page = read_html(content, None)
        return Draft(url=url, title=page.title or str(path), content=page.content, author=page.author)
    if language is None:
        return Draft(url=url, title=str(path), content=content)
    code = content.strip("\n")
    return Draft(url=url, title=str(path), content=fenced(code, language) if code.strip() else "")


def _file_url(location: str, path: str) -> str:
    """Where a person sees the file. `HEAD` instead of a commit, so that the id stays when the content changes."""
    if FORGE.fullmatch(location):
        tree = "-/blob" if "//gitlab.com/" in location else "blob"
        return f"{location}/{tree}/HEAD/{quote(path)}"
    if "://" in location or SCP_LIKE.fullmatch(location):
        return f"{location}#{quote(path)}"
    return Path(location).as_uri() + "/" + quote(path)


COLLECTOR = RepositoryCollector()
