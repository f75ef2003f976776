"""A file's bytes to a draft, by the ending of its name and by the signs of the program that wrote it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from twin.collection.collector import Draft
from twin.collection.exports import googledocs, notion, obsidian
from twin.collection.files import frontmatter
from twin.collection.pages import extraction, webpage
from twin.collection.web import urls
from twin.errors import InputError, SourceRefused
from twin.text import decoding
from twin.text.dates import parse_date

if TYPE_CHECKING:
    from pathlib import PurePath

__all__ = [
    "ENDINGS",
    "HTML",
    "MARKDOWN",
    "MDX",
    "NOT_TEXT",
    "TEXT",
    "VERSION",
    "html_draft",
    "is_passed_over",
    "markdown_draft",
    "read_draft",
]

VERSION = f"files/3 {webpage.VERSION}"
"""Changes when the same bytes make another document."""
MDX = ".mdx"
MARKDOWN = frozenset({".md", ".markdown", ".mdown", MDX})
HTML = frozenset({".html", ".htm", ".xhtml"})
TEXT = frozenset({".txt", ".text"})
ENDINGS = MARKDOWN | HTML | TEXT | frozenset(extraction.ENDINGS)
NOT_TEXT = frozenset(
    {
        ".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".svg", ".ico", ".bmp", ".tif", ".tiff", ".heic",
        ".woff", ".woff2", ".ttf", ".otf", ".eot",
        ".mp3", ".wav", ".ogg", ".flac", ".m4a", ".mp4", ".mov", ".webm", ".avi", ".mkv",
        ".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar",
        ".canvas",
    }
)  # fmt: skip
"""Images, fonts, sound, films and archives: what lies beside documents and nobody takes for one. Passed over."""


def is_passed_over(path: PurePath) -> bool:
    """Whether a file is nothing to say a word about: hidden, a word processor's lock, an image and the like, or a
    table that Notion exported."""
    return path.name.startswith((".", "~$")) or path.suffix.lower() in NOT_TEXT or notion.is_database(path)


def read_draft(data: bytes, path: PurePath, url: str, *, vault: bool = False) -> Draft:
    """The document in a file named `path`. `vault`: it lies in an Obsidian vault.

    Raises:
        SourceRefused: It is no document, is empty, or not text.
        SourceFailed: It cannot be read.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise SourceRefused(f"it is not a document; files that are read end in {', '.join(sorted(ENDINGS))}")
    if not data.strip():
        raise SourceRefused("it is empty")
    if ending in extraction.ENDINGS:
        return _extracted(data, path, url)
    if ending in HTML:
        return _html(decoding.decode(data, webpage.declared_charset(data)), path, url)
    content = decoding.decode(data)
    if ending not in MARKDOWN:
        return Draft(url=url, title=_title_of(path), content=content, markup="plain")
    if notion.page_id(path):
        return notion.read_markdown(content, path)
    if not vault:
        return markdown_draft(content, url=url, name=_title_of(path), is_mdx=ending == MDX)
    draft = markdown_draft(content, url=url, name=_readable(path))
    draft.content, draft.markup = obsidian.plain(draft.content), "vault"
    return draft


def markdown_draft(markdown: str, *, url: str, name: str, is_mdx: bool = False) -> Draft:
    """A markdown text and what its front matter says. `name` is the title of a text that names none.

    Raises:
        SourceFailed: Its front matter cannot be read.
    """
    said, content = frontmatter.split(markdown)
    return Draft(
        url=_front_matter_url(said.url) or url,
        title=said.title,
        name=name,
        content=content,
        author=said.author,
        platform=urls.host(said.url or "") or "file",
        published_at=parse_date(said.date),
        language=said.language,
        markup="mdx" if is_mdx else "markdown",
        said=said.fields,
    )


def _html(html: str, path: PurePath, url: str) -> Draft:
    if notion.page_id(path):
        return notion.read_html(html, path)
    if googledocs.is_google_doc(html):
        return googledocs.read(html, url=url, name=_readable(path))
    return html_draft(html, url=url, name=_title_of(path))


def html_draft(html: str, *, url: str, name: str) -> Draft:
    """The main content of an HTML text, and what its front matter says where it has one, as sites' sources do.

    Raises:
        SourceFailed: Its front matter cannot be read, or nothing in it reads like an article.
    """
    said, html = frontmatter.split(html)
    page = webpage.read(html)
    comments = html.count("<!--")
    return Draft(
        url=_front_matter_url(said.url) or url,
        title=said.title or page.title or name,
        content=page.content,
        author=said.author or page.author,
        published_at=parse_date(said.date) or page.published_at,
        language=said.language or page.language,
        markup="page",
        said=said.fields,
        left_out={"comment": comments} if comments else {},
    )


def _extracted(data: bytes, path: PurePath, url: str) -> Draft:
    found = extraction.extract(data, extraction.ENDINGS[path.suffix.lower()])
    return Draft(
        url=url,
        title=found.title,
        name=_title_of(path),
        content=found.content,
        markup="plain",
        author=found.author,
        published_at=parse_date(found.created_at),
        language=found.language,
    )


def _front_matter_url(url: str | None) -> str | None:
    if not url or not urls.is_web(url):
        return None
    try:
        return urls.canonical(url)
    except InputError as error:
        raise SourceRefused(f"its front matter names an unusable url: {error}") from None


def _readable(path: PurePath) -> str:
    """The file's name without its ending; what is not UTF-8 in it is replaced."""
    return " ".join(os.fsencode(path.stem).decode("utf-8", "replace").split())


def _title_of(path: PurePath) -> str:
    return " ".join(_readable(path).replace("_", " ").replace("-", " ").split())
