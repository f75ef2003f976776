"""A git repository: its documentation and code as they are in the commit at HEAD."""

from __future__ import annotations

import contextlib
import re
import tempfile
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from twin.collection.collector import Draft, finish
from twin.collection.collectors.folder import as_path
from twin.collection.faults import attempt
from twin.collection.files import stamps
from twin.collection.files.formats import HTML, MARKDOWN, MDX, NOT_TEXT, TEXT, VERSION, html_draft, markdown_draft
from twin.collection.refusals import too_large
from twin.collection.repositories import clones, git
from twin.collection.repositories.languages import code_language, why_not_written
from twin.collection.web import urls
from twin.collection.withheld import patterns
from twin.errors import SourceFailed, SourceRefused
from twin.records import Document, Rejected, Unchanged, Visit, Withheld
from twin.text import decoding
from twin.text.fences import fenced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.collection.collector import Item
    from twin.collection.session import Session
    from twin.records import Source

__all__ = ["RepositoryCollector"]

READER = f"repository/1 {VERSION}"
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
        reader = stamps.reader_of(READER, source, session.settings)
        whole_reader = f"{reader} {patterns.fingerprint(source)}"
        last = session.memory.visit(source, source.location)
        here = Path(source.location)
        is_local = git.is_repository(here)
        url = _clone_url(source.location)
        commit = git.local_head(here) if is_local else git.remote_head(url, session.settings)
        if last and (last.reader, last.digest) == (whole_reader, commit):
            yield Unchanged()
            return
        with contextlib.ExitStack() as stack:
            folder = here
            if not is_local:
                folder = _kept_clone(source, session) or Path(stack.enter_context(_scratch())) / "clone.git"
                git.fetch(url, folder, session.settings)
                commit = git.newest(folder)
            blobs = stack.enter_context(git.Blobs(folder))
            yield from _collect_commit(folder, commit, blobs, source, session, reader)


def _kept_clone(source: Source, session: Session) -> Path | None:
    return clones.path_of(session.cache, source.id) if session.cache else None


def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="llm-twin-git-")


def _collect_commit(
    folder: Path, commit: str, blobs: git.Blobs, source: Source, session: Session, reader: str
) -> Iterator[Item]:
    """Every file of a commit: what has not changed since the last look is not read; at the end, what is remembered."""
    entries = list(git.tracked_files(folder, commit))
    if not entries:
        raise SourceFailed(f"{source.location} has no files in its commit at HEAD.")
    declares = any(PurePosixPath(entry.path).name == ".gitattributes" for entry in entries)
    marked = git.marked(folder, commit) if declares else {}
    documents: list[str] = []
    whole, until = True, None
    for entry in entries:
        path = PurePosixPath(entry.path)
        if path.suffix.lower() in NOT_TEXT:
            continue
        url = _file_url(source.location, entry.path)
        if reason := patterns.why_excluded(source, path):
            yield Withheld(url=url, reason=reason)
            continue
        last = session.memory.visit(source, url)
        if last and (last.reader, last.digest) == (reader, entry.sha) and entry.path not in marked:
            documents += last.documents
            until = stamps.earliest((until, last.until))
            yield from (Unchanged(url=document) for document in last.documents)
            continue
        item = attempt(url, partial(_collect_file, entry, url, marked.get(entry.path), blobs, source, session))
        until = stamps.earliest((until, stamps.until_of(item)))
        yield item
        if isinstance(item, Document):
            documents.append(item.url)
            yield Visit(url=url, reader=reader, documents=[item.url], digest=entry.sha, until=stamps.until_of(item))
        whole = whole and not (isinstance(item, Rejected) and not item.refused)
    if whole:
        listed = documents if len(documents) <= stamps.LISTED_DOCUMENTS else []
        whole_reader = f"{reader} {patterns.fingerprint(source)}"
        yield Visit(url=source.location, reader=whole_reader, documents=listed, digest=commit, until=until)


def _clone_url(location: str) -> str:
    return f"{location}.git" if FORGE.fullmatch(location) else location


def _collect_file(
    entry: git.Entry, url: str, mark: str | None, blobs: git.Blobs, source: Source, session: Session
) -> Item:
    if mark:
        raise SourceRefused(f"{mark}, as the repository's .gitattributes say")
    return finish(_read_draft(entry, blobs, url, session.settings.max_bytes), source, session)


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
    content = decoding.decode(blobs.read(entry.sha))
    if reason := why_not_written(path, content):
        raise SourceRefused(reason)
    draft = _draft(content, path, language, url)
    draft.kind = "repository"
    draft.platform = urls.host(url) or "git"
    draft.path = path
    return draft


def _draft(content: str, path: PurePosixPath, language: str | None, url: str) -> Draft:
    if path.suffix.lower() in MARKDOWN:
        return markdown_draft(content, url=url, name=str(path), is_mdx=path.suffix.lower() == MDX)
    if path.suffix.lower() in HTML:
        return html_draft(content, url=url, name=str(path))
    if language is None:
        return Draft(url=url, title=str(path), content=content, markup="plain")
    code = content.strip("\n")
    return Draft(url=url, title=str(path), content=fenced(code, language) if code.strip() else "", markup="plain")


def _file_url(location: str, path: str) -> str:
    """Where a person sees the file. `HEAD` instead of a commit, so that the id stays when the content changes."""
    if FORGE.fullmatch(location):
        tree = "-/blob" if "//gitlab.com/" in location else "blob"
        return f"{location}/{tree}/HEAD/{quote(path)}"
    if "://" in location or SCP_LIKE.fullmatch(location):
        return f"{location}#{quote(path)}"
    return Path(location).as_uri() + "/" + quote(path)


COLLECTOR = RepositoryCollector()
