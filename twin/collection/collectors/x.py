"""X (Twitter), by the archive that a member can ask X for: own posts, and own threads as one document each."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from twin.collection.collector import Draft, finish
from twin.collection.collectors.folder import as_path
from twin.collection.exports import export_files, posts
from twin.collection.faults import attempt
from twin.collection.files import stamps
from twin.collection.refusals import failed, refused
from twin.errors import CollectionError, SourceFailed, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import PurePosixPath

    from twin.collection.collector import Item
    from twin.collection.exports.export_files import Export
    from twin.collection.session import Session
    from twin.records import Source

__all__ = ["Tweet", "XCollector", "entries", "threads"]

READER = "x/1"
PLATFORM = "x"
TWEETS = re.compile(r"(?:.*/)?data/tweets?(?:-part\d+)?\.js")
NOTES = re.compile(r"(?:.*/)?data/note-tweet\.js")
ACCOUNT = re.compile(r"(?:.*/)?data/account\.js")
CREATED = "%a %b %d %H:%M:%S %z %Y"
PROFILE = "https://x.com"
LEADING_NAMES = re.compile(r"(?:@\w+\s+)+")
CUT = re.compile(r"\s*\u2026?\s*(?:https://t\.co/\w+\s*)*$")
NOTE_CHARS = 200
"""A post longer than this may be the beginning of a long one, which the archive keeps elsewhere."""


R = TypeVar("R", bound=msgspec.Struct)


class Link(msgspec.Struct):
    """A short link and where it leads."""

    url: str = ""
    expanded_url: str | None = None


class Entities(msgspec.Struct):
    """The links of a post: to places, and to its own pictures."""

    urls: list[Link] = []
    media: list[Link] = []


class Tweet(msgspec.Struct):
    """What is read of a post."""

    id_str: str
    full_text: str
    created_at: str | None = None
    in_reply_to_status_id_str: str | None = None
    in_reply_to_user_id_str: str | None = None
    lang: str | None = None
    entities: Entities = msgspec.field(default_factory=Entities)
    extended_entities: Entities = msgspec.field(default_factory=Entities)


class NoteLink(msgspec.Struct, rename="camel"):
    """A link of a long post."""

    short_url: str = ""
    expanded_url: str | None = None


class NoteCore(msgspec.Struct):
    """The text of a long post."""

    text: str
    urls: list[NoteLink] = []


class Note(msgspec.Struct):
    """A long post, of which the archive's own post has the beginning."""

    core: NoteCore


class Account(msgspec.Struct, rename="camel"):
    """Whose archive it is."""

    account_id: str = ""
    username: str = ""
    account_display_name: str = ""


class XCollector:
    """Reads an archive as a zip file or a folder. Retweets are left out, as are short answers to other people."""

    kind: Final = "x"
    rank: Final = 14
    complete: Final = True
    accepts = "X's (Twitter's) archive (a zip file or a folder with data/tweets.js)"

    def recognise(self, location: str) -> str | None:
        path = as_path(location)
        if path is None or not (path.is_dir() or (path.is_file() and path.suffix.lower() == ".zip")):
            return None
        at_top = (name for name in export_files.names_of(path) if name.startswith("data/"))
        return str(path) if any(map(TWEETS.fullmatch, at_top)) else None

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        path = Path(source.location)
        files = export_files.files_of(path, _wanted)
        return stamps.unless_unchanged(source, session, READER, files, partial(_read, path, source, session))


def entries(script: bytes, name: str) -> Iterator[msgspec.Raw | str]:
    """The objects in one of the archive's scripts, `window.YTD.tweets.part0 = [{"tweet": {...}}, ...]`, each without
    the `name` around it; what is wrong with one, where something is.

    Raises:
        SourceFailed: It is not such a script.
    """
    try:
        listed = msgspec.json.decode(script[max(script.find(b"["), 0) :].rstrip(b" \t\r\n;"), type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SourceFailed(f"it is not a list of {name}s as X writes it: {error}") from None
    for number, item in enumerate(listed, 1):
        try:
            wrapped = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield f"{name} {number}: {error}"
            continue
        yield wrapped.get(name, item)


def threads(tweets: Iterable[Tweet], account_id: str) -> Iterator[list[Tweet]]:
    """The posts in threads, each with the author's own answers to it in the order they were written; the oldest first.

    `account_id` tells the author's answers to posts that are not in the archive any more from those to other people.
    """
    own = {tweet.id_str: tweet for tweet in tweets}
    roots: dict[str, str] = {}
    found: dict[str, list[Tweet]] = {}
    for tweet in sorted(own.values(), key=_order):
        found.setdefault(_root(tweet, own, roots), []).append(tweet)
    for root_id, thread in sorted(found.items(), key=lambda pair: _order(own[pair[0]])):
        root = own[root_id]
        text = " ".join(_own_words(tweet) for tweet in thread)
        answers = root.in_reply_to_user_id_str not in (None, account_id)
        if posts.is_substantial(text) if answers else posts.has_words(text):
            yield [root, *(tweet for tweet in thread if tweet is not root)]


def _root(tweet: Tweet, own: dict[str, Tweet], roots: dict[str, str]) -> str:
    """The id of the post that a thread began with; remembers it in `roots` for every post on the way there."""
    passed: dict[str, None] = {}
    at = tweet
    while at.id_str not in roots and at.id_str not in passed:
        passed[at.id_str] = None
        at = own.get(at.in_reply_to_status_id_str or "", at)
    root = roots.get(at.id_str, at.id_str)
    roots.update(dict.fromkeys(passed, root))
    return root


def _order(tweet: Tweet) -> tuple[int, str]:
    return len(tweet.id_str), tweet.id_str  # numbers too long for some, in text


def _own_words(tweet: Tweet) -> str:
    return LEADING_NAMES.sub("", tweet.full_text, count=1) if tweet.in_reply_to_status_id_str else tweet.full_text


def _wanted(path: PurePosixPath) -> bool:
    return any(pattern.fullmatch(str(path)) for pattern in (TWEETS, NOTES, ACCOUNT))


def _read(path: Path, source: Source, session: Session) -> Iterator[Item]:
    max_bytes = session.settings.max_bytes * export_files.FILE_FACTOR
    with export_files.opened(path, _wanted, member_bytes=max_bytes) as export:
        yield from export.rejections()
        problems: list[Item] = []
        accounts = _decoded(export, ACCOUNT, "account", Account, max_bytes, problems)
        account = next(iter(accounts), Account())
        if not account.username:
            missing = "the archive does not say whose it is: it lacks data/account.js"
            problems.append(refused(export.place("data/account.js"), missing))
        long = _decoded(export, NOTES, "noteTweet", Note, max_bytes, problems)
        notes = {_beginning(note.core.text): note for note in long}
        tweets = _decoded(export, TWEETS, "tweet", Tweet, max_bytes, problems)
        yield from problems
        own = [_whole(tweet, notes) for tweet in tweets if not tweet.full_text.startswith("RT @")]
        for thread in threads(own, account.account_id):
            place = f"{export.place('data/tweets.js')}-{thread[0].id_str}"
            yield attempt(place, partial(_document, thread, account, source, session))


def _decoded(
    export: Export, named: re.Pattern[str], name: str, record: type[R], max_bytes: int, problems: list[Item]
) -> list[R]:
    """The records of the scripts of a name; what is wrong with some is added to `problems`."""
    found: list[R] = []
    for member in export.named(lambda path: named.fullmatch(str(path))):
        place = export.place(member.path)
        try:
            for item in entries(export_files.read(member, max_bytes), name):
                problem = item if isinstance(item, str) else None
                try:
                    found += [msgspec.json.decode(item, type=record)] if not isinstance(item, str) else []
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    problem = f"one {name}: {error}"
                if problem:
                    problems.append(failed(f"{place}-{len(problems) + 1}", problem))
        except SourceRefused as refusal:
            problems.append(refused(place, str(refusal)))
        except CollectionError as failure:
            problems.append(failed(place, str(failure)))
    return found


def _whole(tweet: Tweet, notes: dict[str, Note]) -> Tweet:
    """The post with its links as they lead and its text unescaped; a long post with all of its text."""
    note = notes.get(_beginning(html.unescape(tweet.full_text))) if len(tweet.full_text) >= NOTE_CHARS else None
    links = {link.url: link.expanded_url or "" for link in tweet.entities.urls}
    if note:
        links |= {link.short_url: link.expanded_url or "" for link in note.core.urls}
    media = [link.url for link in (*tweet.entities.media, *tweet.extended_entities.media)]
    text = note.core.text if note else tweet.full_text
    for short in sorted({*links, *media} - {""}, key=len, reverse=True):
        text = text.replace(short, links.get(short, ""))
    text = "\n".join(line.rstrip() for line in html.unescape(text).splitlines()).strip()
    return msgspec.structs.replace(tweet, full_text=text)


def _beginning(text: str) -> str:
    """What a long post and its beginning have in common, as a key."""
    return " ".join(CUT.sub("", text).split())[:NOTE_CHARS]


def _document(thread: list[Tweet], account: Account, source: Source, session: Session) -> Item:
    return finish(_draft(thread, account), _with_author(source, account), session)


def _draft(thread: list[Tweet], account: Account) -> Draft:
    root = thread[0]
    content = "\n\n".join(_own_words(tweet) for tweet in thread)
    return Draft(
        url=f"{PROFILE}/{account.username or 'i/web'}/status/{root.id_str}",
        title=posts.headline(content),
        content=content,
        kind="post",
        platform=PLATFORM,
        published_at=_date(root.created_at),
        markup="plain",
        language=root.lang if root.lang and re.fullmatch(r"[a-z]{2}", root.lang) else None,
    )


def _with_author(source: Source, account: Account) -> Source:
    """Who the user says the author is counts for more than the name on the account, which may be anything."""
    name = source.author or account.account_display_name or account.username or None
    return msgspec.structs.replace(source, author=name)


def _date(created: str | None) -> datetime | None:
    try:
        return datetime.strptime(created or "", CREATED).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


COLLECTOR = XCollector()
