"""LinkedIn, by the archive that a member can ask LinkedIn for: posts, articles, and longer comments.

Messages, connections and the like are other people's data, and are not even unpacked.
"""

from __future__ import annotations

import csv
import io
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from twin.collection.collector import Draft, finish
from twin.collection.collectors.folder import as_path
from twin.collection.exports import export_files, posts
from twin.collection.faults import attempt
from twin.collection.files import stamps
from twin.collection.pages import markup, webpage
from twin.collection.refusals import failed, refused
from twin.collection.web import urls
from twin.errors import CollectionError, InputError, SourceFailed, SourceRefused
from twin.text import decoding
from twin.text.dates import parse_date

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import PurePosixPath

    from twin.collection.collector import Item
    from twin.collection.exports.archives import Member
    from twin.collection.exports.export_files import Export
    from twin.collection.session import Session
    from twin.records import Source

__all__ = ["LinkedInCollector", "rows"]

READER = f"linkedin/2 {webpage.VERSION}"
PLATFORM = "linkedin"
TABLE = re.compile(r"(shares|comments|profile)(?:_\d+)?\.csv", re.IGNORECASE)
ARTICLE = re.compile(r"(?:.*/)?articles/[^/]+\.html?", re.IGNORECASE)
OTHER_SIGNS = re.compile(
    r"(?:profile|connections|registration|email addresses|rich_media)(?:_\d+)?\.csv", re.IGNORECASE
)
HEADER_WITHIN_ROWS = 20
"""Some tables have notes above their header."""
MAX_FIELD_CHARS = 1_000_000
COLUMNS = {"shares": ("ShareCommentary",), "comments": ("Message",), "profile": ("First Name",)}
DATED = re.compile(r"(\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2}(?::\d{2})?)?)")


class LinkedInCollector:
    """Reads a data export as a zip file, as a folder, or its Shares.csv alone."""

    kind: Final = "linkedin"
    rank: Final = 12
    complete: Final = True
    accepts = "LinkedIn's data export (a zip file, a folder, or Shares.csv)"

    def recognise(self, location: str) -> str | None:
        path = as_path(location)
        if path is None or not path.exists():
            return None
        if path.suffix.lower() == ".csv":
            return str(path) if _table(path) == "shares" else None
        names = export_files.names_of(path) if path.is_dir() or path.suffix.lower() == ".zip" else []
        tables = {_table(Path(name)) for name in names if "/" not in name}
        has_articles = any(map(ARTICLE.fullmatch, names)) and any(map(OTHER_SIGNS.fullmatch, names))
        return str(path) if "shares" in tables or has_articles else None

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        path = Path(source.location)
        files = export_files.files_of(path, _wanted)
        return stamps.unless_unchanged(source, session, READER, files, partial(_read, path, source, session))


def rows(data: bytes, columns: tuple[str, ...]) -> Iterator[dict[str, str] | str]:
    """The rows of one of LinkedIn's tables by column name; what is wrong with a row, where something is.

    Takes a byte order mark, notes above the header, and quotes that are doubled or escaped by a backslash.

    Raises:
        SourceFailed: It lacks one of `columns`, or is not text.
    """
    csv.field_size_limit(MAX_FIELD_CHARS)
    reader = csv.reader(io.StringIO(decoding.decode(data).lstrip("\ufeff"), newline=""), escapechar=_escape(data))
    header: list[str] | None = None
    seen = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield f"line {reader.line_num}: not valid CSV: {error}"
            continue
        seen += 1
        if header is not None:
            if any(cell.strip() for cell in row):
                yield dict(zip(header, row, strict=False))
        elif set(columns) <= {cell.strip() for cell in row}:
            header = [cell.strip() for cell in row]
        elif seen >= HEADER_WITHIN_ROWS:
            break
    if header is None:
        raise SourceFailed(f"it lacks the column {' and '.join(columns)}: ask LinkedIn for a new export")


def _escape(data: bytes) -> str | None:
    """The comments' table escapes quotes by a backslash, the others double them."""
    return "\\" if b'\\"' in data else None


def _wanted(path: PurePosixPath) -> bool:
    return TABLE.fullmatch(path.name) is not None or ARTICLE.fullmatch(str(path)) is not None


def _table(path: Path | PurePosixPath) -> str | None:
    found = TABLE.fullmatch(path.name)
    return found[1].lower() if found else None


def _read(path: Path, source: Source, session: Session) -> Iterator[Item]:
    max_bytes = session.settings.max_bytes
    with export_files.opened(path, _wanted, member_bytes=max_bytes * export_files.FILE_FACTOR) as export:
        yield from export.rejections()
        author = source.author or _member_name(export, max_bytes)
        if not export.named(lambda each: _table(each) == "shares"):
            yield refused(
                export.place("Shares.csv"), "the export has no Shares.csv: ask LinkedIn for the larger archive"
            )
        for name, draft_of in (("shares", _share), ("comments", _comment)):
            for member in export.named(lambda each, name=name: _table(each) == name):
                yield from _posts(export, member, COLUMNS[name], partial(draft_of, author=author), source, session)
        for member in export.named(lambda each: ARTICLE.fullmatch(str(each))):
            place = export.place(member.path)
            yield attempt(place, partial(_article, member, place, author, source, session))


def _member_name(export: Export, max_bytes: int) -> str | None:
    for member in export.named(lambda each: _table(each) == "profile"):
        try:
            for row in rows(export_files.read(member, max_bytes), COLUMNS["profile"]):
                if isinstance(row, dict):
                    return " ".join(f"{row.get('First Name', '')} {row.get('Last Name', '')}".split()) or None
        except CollectionError:
            continue
    return None


def _posts(
    export: Export,
    member: Member,
    columns: tuple[str, ...],
    draft_of: Callable[..., Draft | None],
    source: Source,
    session: Session,
) -> Iterator[Item]:
    place = export.place(member.path)
    max_bytes = session.settings.max_bytes
    try:
        for number, row in enumerate(rows(export_files.read(member, max_bytes * export_files.FILE_FACTOR), columns), 1):
            if isinstance(row, str):
                yield failed(f"{place}-{number}", row)
            elif item := attempt(f"{place}-{number}", partial(_from_row, row, place, draft_of, source, session)):
                yield item
    except SourceRefused as refusal:
        yield refused(place, str(refusal))
    except CollectionError as failure:
        yield failed(place, str(failure))


def _from_row(
    row: dict[str, str], place: str, draft_of: Callable[..., Draft | None], source: Source, session: Session
) -> Item | None:
    draft = draft_of(row, place)
    return finish(draft, source, session) if draft else None


def _share(row: dict[str, str], place: str, *, author: str | None) -> Draft | None:
    content = _lines(row.get("ShareCommentary", ""))
    if not posts.has_words(content):  # a share of somebody else's post, without a word of one's own
        return None
    return _post(content, _location(row.get("ShareLink")) or f"{place}-{_slug(row)}", row, author)


def _comment(row: dict[str, str], place: str, *, author: str | None) -> Draft | None:
    content = _lines(row.get("Message", ""))
    if not posts.is_substantial(content):
        return None
    return _post(content, f"{_location(row.get('Link')) or place}#comment-{_slug(row)}", row, author)


def _post(content: str, url: str, row: dict[str, str], author: str | None) -> Draft:
    return Draft(
        url=url,
        title=posts.headline(content),
        content=content,
        author=author,
        kind="post",
        platform=PLATFORM,
        published_at=_date(row.get("Date")),
        markup="plain",
    )


def _lines(cell: str) -> str:
    """The text of a cell. LinkedIn writes each line of a post in quotes of its own: `one"<line feed>"two`."""
    lines = cell.replace("\r\n", "\n").split("\n")
    quoted = len(lines) > 1 and all(line.endswith('"') for line in lines[:-1])
    if quoted and all(line.startswith('"') for line in lines[1:]):
        last = len(lines) - 1
        lines = [line[number > 0 : len(line) - (number < last)] for number, line in enumerate(lines)]
        lines = [line.replace('""', '"') for line in lines]
    return "\n".join(lines).strip()


def _location(link: str | None) -> str | None:
    """One spelling of a post's address: LinkedIn escapes the colons of its names in some exports."""
    if not link or not urls.is_web(link.strip()):
        return None
    try:
        return urls.canonical(re.sub(r"%3A", ":", link.strip(), flags=re.IGNORECASE))
    except InputError:
        return None


def _slug(row: dict[str, str]) -> str:
    return re.sub(r"\D+", "-", row.get("Date") or "").strip("-") or "undated"


def _date(value: str | None) -> datetime | None:
    found = DATED.search(value or "")
    return parse_date(found[1]) if found else None


def _article(member: Member, url: str, author: str | None, source: Source, session: Session) -> Item:
    data = export_files.read(member, session.settings.max_bytes)
    draft = _read_article(decoding.decode(data, webpage.declared_charset(data)), url, unquote(member.path.stem))
    draft.author = author
    return finish(draft, source, session)


def _read_article(html: str, url: str, name: str) -> Draft:
    tree = markup.parse(html)
    said = {element.get("class"): markup.text_of(element) or "" for element in tree.iter("p") if element.get("class")}
    title, link = None, None
    for heading in list(tree.iter("h1"))[:1]:
        title = markup.text_of(heading)
        link = next((_location(anchor.get("href")) for anchor in heading.iter("a")), None)
        heading.drop_tree()
    for element in list(tree.iter("p")):
        if element.get("class") in ("created", "published"):
            element.drop_tree()
    return Draft(
        url=link or url,
        title=title or markup.text_of(tree.find(".//title")) or name,
        content=markup.to_markdown(tree),
        platform=PLATFORM,
        published_at=_date(said.get("published")),
        markup="page",
        said={"published": False} if "created" in said and "published" not in said else {},
    )


COLLECTOR = LinkedInCollector()
