"""Exports of LinkedIn, X, Mastodon, Notion, Obsidian and Google Docs, as folders and as archives."""

from __future__ import annotations

import csv
import io
import json
import os
import tarfile
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from twin import collection
from twin.collection.exports import export_files
from twin.errors import SourceFailed
from twin.records import Document, Rejected, Unchanged, Withheld

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conftest import Looks
    from twin.collection import Item

Files = dict[str, bytes]


def zipped(files: Mapping[str, bytes | str]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def tarred(files: Mapping[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def laid_out(place: Path, files: Mapping[str, bytes | str], form: str) -> Path:
    """The files as a folder or as a zip file, last changed a minute ago."""
    if form == "zip":
        place = place.with_suffix(".zip")
        place.write_bytes(zipped(files))
        written = [place]
    else:
        written = [place / name for name in files]
        for path, content in zip(written, files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for path in written:
        os.utime(path, (time.time() - 60, time.time() - 60))
    return place


def documents(items: list[Item]) -> list[Document]:
    return [item for item in items if isinstance(item, Document)]


def reasons(items: list[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Rejected)]


def table(*rows: tuple[str, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


LONG_COMMENT = "I have built three of these engines, and each time " + "the cards jammed before the gears did, " * 6
SHARES = ("Date", "ShareLink", "ShareCommentary", "SharedUrl", "MediaUrl", "Visibility")
LINKEDIN: dict[str, bytes] = {
    "Shares.csv": b"\xef\xbb\xbf" + table(
        SHARES,
        ("2024-03-01 12:00:00", "https://www.linkedin.com/feed/update/urn%3Ali%3Ashare%3A71",
         'Engines weave numbers"\n""\n"as looms weave ""flowers"".', "", "", "MEMBER_NETWORK"),
        ("2024-03-02 12:00:00 UTC", "https://www.linkedin.com/feed/update/urn:li:share:72", "", "https://e.org", ""),
        ("2024-03-03 12:00:00", "", "A post without a link, \"quoted\" plainly, with a comma", "", "", ""),
        ("2024-03-04 12:00:00", "https://www.linkedin.com/feed/update/urn:li:share:74", "https://only.a/link", ""),
    ),
    "Comments.csv": (
        "Notes: times are UTC\n\nDate,Link,Message\n"
        "2024-04-01 08:00:00,https://www.linkedin.com/feed/update/urn%3Ali%3Aactivity%3A9,"
        f'"He said \\"no\\". {LONG_COMMENT}"\n'
        "2024-04-02 08:00:00,https://www.linkedin.com/feed/update/urn%3Ali%3Aactivity%3A9,Congratulations!\n"
    ).encode(),
    "Profile.csv": table(("First Name", "Last Name", "Headline"), ("Ada", "Lovelace", "Countess")),
    "messages.csv": table(("FROM", "TO", "CONTENT"), ("Charles", "Ada", "A private word about money.")),
    "Connections.csv": table(("First Name", "Email Address"), ("Mary", "mary@example.org")),
    "Articles/Articles/On engines.html": (
        b"<html><head><title>On engines</title><style>p{color:red}</style></head><body>"
        b"<h1><a href='https://www.linkedin.com/pulse/on-engines-ada'>On engines</a></h1>"
        b"<p class='created'>Created on 2023-05-01 09:00</p><p class='published'>Published on 2023-05-02 10:00</p>"
        b"<div><h2>What they do</h2><p>They <strong>compute</strong> <a href='https://www.linkedin.com/redir/redirect?"
        b"url=https%3A%2F%2Fexample.org%2Fx&amp;urlhash=a'>things</a>.</p><ul><li>one</li></ul></div></body></html>"
    ),
    "Articles/Articles/Draft.html": (
        b"<html><body><h1>Draft</h1><p class='created'>Created on 2023-06-01 09:00</p><p>Not yet.</p></body></html>"
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_a_linkedin_export_gives_posts_articles_and_long_comments(tmp_path: Path, looks: Looks, form: str) -> None:
    export = laid_out(tmp_path / "Complete_LinkedInDataExport_03-01-2024", LINKEDIN, form)
    assert collection.detect(str(export)).kind == "linkedin"
    items = looks(export, None)
    by_url = {document.url: document for document in documents(items)}
    post = by_url["https://www.linkedin.com/feed/update/urn:li:share:71"]
    assert post.content == 'Engines weave numbers\n\nas looms weave "flowers".'
    assert (post.title, post.author, post.kind, post.platform) == (
        "Engines weave numbers", "Ada Lovelace", "post", "linkedin",
    )  # fmt: skip
    assert post.published_at == datetime(2024, 3, 1, 12, tzinfo=UTC)
    [unlinked] = [document for document in by_url.values() if document.content.startswith("A post without")]
    assert unlinked.url.endswith("Shares.csv-2024-03-03-12-00-00")
    assert unlinked.content == 'A post without a link, "quoted" plainly, with a comma'
    comment = by_url["https://www.linkedin.com/feed/update/urn:li:activity:9#comment-2024-04-01-08-00-00"]
    assert comment.content.startswith('He said "no". I have built')
    article = by_url["https://www.linkedin.com/pulse/on-engines-ada"]
    assert (article.title, article.kind) == ("On engines", "article")
    assert article.published_at == datetime(2023, 5, 2, 10, tzinfo=UTC)
    assert article.content == "## What they do\n\nThey **compute** [things](https://example.org/x).\n\n- one"
    assert len(by_url) == 4
    assert [item.reason for item in items if isinstance(item, Withheld)] == ["it is not published (`published: false`)"]
    assert not any("private" in document.content or "mary@" in document.content for document in by_url.values())
    assert looks(export, None) == [Unchanged()]


def test_the_author_that_the_user_names_counts_for_more_than_the_account(tmp_path: Path, looks: Looks) -> None:
    export = laid_out(tmp_path / "linkedin", LINKEDIN, "zip")
    assert {document.author for document in documents(looks(export, "Augusta"))} == {"Augusta"}


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"Shares.csv": table(("Date", "Text"), ("2024-03-01", "Words."))}, "lacks the column ShareCommentary"),
        ({"Shares.csv": b"\0\1\2"}, "binary"),
        ({"Shares.csv": b""}, "lacks the column"),
    ],
)
def test_a_linkedin_table_that_lacks_something_says_what_and_the_rest_is_taken(
    tmp_path: Path, looks: Looks, files: Files, reason: str
) -> None:
    items = looks(laid_out(tmp_path / "linkedin", LINKEDIN | files, "zip"))
    assert any(reason in each for each in reasons(items))
    assert {document.kind for document in documents(items)} == {"article", "post"}


def test_a_linkedin_export_without_posts_says_so(tmp_path: Path, looks: Looks) -> None:
    files = {name: content for name, content in LINKEDIN.items() if name != "Shares.csv"}
    items = looks(laid_out(tmp_path / "linkedin", files, "zip"))
    assert "the export has no Shares.csv" in reasons(items)[0]
    assert len(documents(items)) == 2


def test_the_table_of_posts_alone_is_enough(tmp_path: Path, looks: Looks) -> None:
    shares = tmp_path / "Shares_17529409.csv"
    shares.write_bytes(LINKEDIN["Shares.csv"])
    assert len(documents(looks(shares))) == 2


def script(name: str, *items: object) -> bytes:
    return f"window.YTD.{name}.part0 = {json.dumps(list(items))}".encode()


def tweet(number: int, text: str, **fields: object) -> dict:
    created = datetime(2023, 5, 1, 10, number % 60, tzinfo=UTC).strftime("%a %b %d %H:%M:%S +0000 %Y")
    return {"tweet": {"id_str": f"{1000 + number}", "full_text": text, "created_at": created, "lang": "en"} | fields}


def answer(to: int, user: str = "7") -> dict:
    return {"in_reply_to_status_id_str": f"{1000 + to}", "in_reply_to_user_id_str": user}


LONG_POST = "A long post about engines & looms: " + "each card says which thread to lift. " * 20
X: dict[str, bytes] = {
    "data/account.js": script(
        "account", {"account": {"accountId": "7", "username": "ada", "accountDisplayName": "Ada L."}}
    ),
    "data/manifest.js": b"window.__THAR_CONFIG = {}",
    "data/tweets.js": script(
        "tweets",
        tweet(3, "The third part.", **answer(2)),
        tweet(1, "Looms &amp; engines, a thread https://t.co/aa https://t.co/pp", entities={
            "urls": [{"url": "https://t.co/aa", "expanded_url": "https://example.org/looms"}],
            "media": [{"url": "https://t.co/pp", "expanded_url": "https://x.com/ada/status/1001/photo/1"}],
        }),
        tweet(2, "@ada The second part &lt;here&gt;.", **answer(1)),
        tweet(4, "RT @charles: Look at my engine, everyone"),
        tweet(5, "@charles Thank you!", **answer(900, "8")),
        tweet(6, f"@charles {LONG_COMMENT}", **answer(901, "8")),
        tweet(7, "https://t.co/bb"),
        tweet(8, LONG_POST[:260].replace("&", "&amp;") + "\u2026 https://t.co/long"),
        {"tweet": {"full_text": "no id"}},
    ),
    "data/tweets-part1.js": script("tweets", tweet(9, "A post in the second file.")).replace(b"part0", b"part1"),
    "data/note-tweet.js": script("note_tweet", {"noteTweet": {"noteTweetId": "1", "core": {"text": LONG_POST}}}),
    "data/direct-messages.js": script("direct_messages", {"dmConversation": {"text": "A private word."}}),
    "data/deleted-tweets.js": script("deleted_tweets", tweet(10, "Words that were taken back by me.")),
}  # fmt: skip


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_an_x_archive_gives_own_posts_and_threads(tmp_path: Path, looks: Looks, form: str) -> None:
    archive = laid_out(tmp_path / "twitter-2024-03-01-abc", X, form)
    assert collection.detect(str(archive)).kind == "x"
    items = looks(archive, None)
    found = documents(items)
    assert [document.url for document in found] == [
        f"https://x.com/ada/status/{number}" for number in (1001, 1006, 1008, 1009)
    ]
    thread, comment, long, _ = found
    assert thread.content == (
        "Looms & engines, a thread https://example.org/looms\n\nThe second part <here>.\n\nThe third part."
    )
    assert thread.title == "Looms & engines, a thread https://example.org/looms"
    assert thread.published_at == datetime(2023, 5, 1, 10, 1, tzinfo=UTC)
    assert (thread.author, thread.kind, thread.platform, thread.language) == ("Ada L.", "post", "x", "en")
    assert comment.content == LONG_COMMENT.strip() or comment.content == LONG_COMMENT.rstrip()
    assert long.content == LONG_POST.strip()
    assert len(reasons(items)) == 1
    assert "id_str" in reasons(items)[0]
    assert looks(archive, None) == [Unchanged()]


@pytest.mark.parametrize(
    ("files", "reason", "count"),
    [
        ({"data/tweets.js": b"window.YTD.tweets.part0 = [ {"}, "not a list of tweets as X writes it", 1),
        ({"data/account.js": b""}, "lacks data/account.js", 3),
        ({"data/note-tweet.js": b"nonsense"}, "not a list of noteTweets", 4),
    ],
)
def test_an_x_archive_that_lacks_something_says_what_and_the_rest_is_taken(
    tmp_path: Path, looks: Looks, files: Files, reason: str, count: int
) -> None:
    items = looks(laid_out(tmp_path / "x", X | files, "zip"))
    assert any(reason in each for each in reasons(items))
    assert len(documents(items)) >= count


PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


def note(number: int, html: str, **fields: object) -> dict:
    place = f"https://social.example/@ada/{number}"
    content = {"type": "Note", "id": place, "url": place, "content": html, "published": "2024-05-06T07:08:09Z"}
    return {"type": "Create", "object": content | {"to": [PUBLIC], "contentMap": {"en": html}} | fields}


OUTBOX = json.dumps(
    {
        "type": "OrderedCollection",
        "orderedItems": [
            note(1, "<p>Engines <a href='https://example.org/'>weave</a> numbers.</p><p>So it is.</p>"),
            {"type": "Announce", "object": "https://other.example/1"},
            note(2, "<p>Only for you, Charles, and no one else.</p>", to=["https://social.example/users/charles"]),
            note(3, "<p>@charles thanks a lot for this!</p>", inReplyTo="https://other.example/2"),
            note(4, "<p>Words under a warning, these are.</p>", summary="Long numbers", to=[], cc=PUBLIC),
            note(5, "<p>Words without a place to be.</p>", url=None, id=None),
        ],
    }
).encode()


@pytest.mark.parametrize("name", ["outbox.json", f"archive-20240506070809-{'0a' * 16}.tar.gz", "mine.zip", "folder"])
def test_a_mastodon_archive_gives_its_public_posts(tmp_path: Path, looks: Looks, name: str) -> None:
    files = {"actor.json": b"{}", "media/a.png": b"\x89PNG", "outbox.json": OUTBOX}
    place = tmp_path / name
    if name in ("folder", "mine.zip"):
        place = laid_out(tmp_path / "mine", files, name.removeprefix("mine."))
    else:
        place.write_bytes(tarred(files) if "tar" in name else OUTBOX)
    assert collection.detect(str(place)).kind == "mastodon"
    items = looks(place)
    first, warned = documents(items)
    assert first.content == "Engines [weave](https://example.org/) numbers.\n\nSo it is."
    assert (first.url, first.platform) == ("https://social.example/@ada/1", "social.example")
    assert first.published_at == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert (first.kind, first.language, first.author) == ("post", "en", "Ada")
    assert warned.title == "Long numbers"
    assert len(reasons(items)) == 1
    assert "does not say where it is" in reasons(items)[0]


PAGE, CHILD, TABLE = "0123456789abcdef" * 2, "fedcba9876543210" * 2, "00112233445566778899aabbccddeeff"
NOTION_MARKDOWN = {
    f"Export/My Engine {PAGE}.md": (
        "# My Engine\n\nAuthor: Ada Lovelace\nPublished: March 1, 2024 10:00 AM\nTags: looms, cards\n\n"
        f"It has [parts](My%20Engine%20{PAGE}/Parts%20(many)%20{CHILD}.md).\n\n![](engine.png)\n\nNote: it is heavy.\n"
    ),
    f"Export/My Engine {PAGE}/Parts (many) {CHILD}.md": "# Parts (many)\n\nGears, and more gears.\n",
    f"Export/Tasks {TABLE}.csv": "Name,Done\nOil it,No\n",
    f"Export/Tasks {TABLE}_all.csv": "Name,Done\nOil it,No\n",
}
NOTION_HTML = {
    f"My Engine {PAGE}.html": (
        "<html><head><title>My Engine</title></head><body><article id='x' class='page sans'><header>"
        "<h1 class='page-title'>My Engine</h1><table class='properties'><tbody>"
        "<tr class='property-row'><th>Author</th><td>Ada Lovelace</td></tr>"
        "<tr class='property-row'><th>Published</th><td><time>@March 1, 2024</time></td></tr></tbody></table></header>"
        f"<div class='page-body'><p>It has <a href='My%20Engine%20{PAGE}/Parts%20(many)%20{CHILD}.html'>parts</a>.</p>"
        "<pre class='code'><code class='language-Python'>x  =  1\n\ny = 2</code></pre></div></article></body></html>"
    )
}


def check_notion_page(page: Document) -> None:
    assert (page.title, page.author, page.platform) == ("My Engine", "Ada Lovelace", "notion.so")
    assert page.url == f"https://www.notion.so/{PAGE}"
    assert page.published_at is not None
    assert page.published_at.date().isoformat() == "2024-03-01"
    assert f"It has [parts](https://www.notion.so/{CHILD})." in page.content
    assert "Author" not in page.content
    assert "png" not in page.content


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_notions_markdown_export(tmp_path: Path, looks: Looks, form: str) -> None:
    items = looks(laid_out(tmp_path / "export", NOTION_MARKDOWN, form), None)
    page = next(document for document in documents(items) if document.url.endswith(PAGE))
    check_notion_page(page)
    assert page.content.startswith("# My Engine\n\n")
    assert page.content.endswith("Note: it is heavy.\n")
    assert len(reasons(items)) == 1, "the page without an author; tables are passed over"
    child = next(item for item in items if isinstance(item, Rejected))
    assert (child.url, "--author" in child.reason) == (f"https://www.notion.so/{CHILD}", True)


def test_notions_html_export(tmp_path: Path, looks: Looks) -> None:
    [page] = documents(looks(laid_out(tmp_path / "export", NOTION_HTML, "zip")))
    check_notion_page(page)
    assert "```python\nx  =  1\n\ny = 2\n```" in page.content


def test_an_export_of_exports_is_one_export(tmp_path: Path, looks: Looks) -> None:
    halves = [dict(list(NOTION_MARKDOWN.items())[:1]), dict(list(NOTION_MARKDOWN.items())[1:])]
    parts = {f"ExportBlock-1-Part-{number}.zip": zipped(half) for number, half in enumerate(halves, 1)}
    outer = laid_out(tmp_path / "Export", {"README.png": b"\x89PNG", **parts}, "zip")
    assert collection.detect(str(outer)).kind == "archive"
    assert {document.title for document in documents(looks(outer))} == {"My Engine", "Parts (many)"}
    assert looks(outer) == [Unchanged()]


VAULT = {
    ".obsidian/app.json": "{}",
    "On-engines.md": (
        "---\ncreated: 2024-03-02\ntags: [a]\n---\n#loom #engine/analytical\n\n"
        "See [[Looms|the looms]], [[Notes/Cards#Order]] and ==this==. "
        "%%not for\nreaders%%\n![[engine.png]]\n\n> [!warning]- Mind the gears\n> They turn. ^block1\n\n"
        "```md\n[[kept]] %%kept%%\n```\n"
    ),
    "Notes/Cards.md": "Cards have an order.\n",
    ".trash/Old.md": "Thrown away.",
}


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_an_obsidian_vault(tmp_path: Path, looks: Looks, form: str) -> None:
    vault = laid_out(tmp_path / "vault", VAULT, form)
    found = {document.title: document for document in documents(looks(vault))}
    assert sorted(found) == ["Cards", "On-engines"]
    engines = found["On-engines"]
    assert engines.published_at == datetime(2024, 3, 2, tzinfo=UTC)
    assert engines.content == (
        "\nSee the looms, Cards > Order and this.\n\n\n> **Mind the gears**\n> They turn.\n\n"
        "```md\n[[kept]] %%kept%%\n```\n"
    )


GOOGLE_DOC = (
    '<html><head><meta content="text/html; charset=UTF-8" http-equiv="content-type"><style type="text/css">'
    "@import url(https://themes.googleusercontent.com/fonts/css?kit=abc);ol{margin:0}.c1{color:#000}</style></head>"
    '<body class="c2 doc-content"><p class="c1 title" id="h.1"><span class="c3">On looms</span></p>'
    '<h1 class="c4"><span class="c5">Cards</span></h1><p class="c1"><span class="c5">They have </span><span class="c6">'
    '<a class="c7" href="https://www.google.com/url?q=https://example.org/holes%3Fa%3D1&amp;sa=D&amp;source=editors">holes</a>'
    '</span><sup><a href="#ftnt1" id="ftnt_ref1">[1]</a></sup><span class="c5">, all of them</span>'
    '<sup><a href="#cmnt1" id="cmnt_ref1">[a]</a></sup><span>.</span></p><hr class="c8"><div><p class="c9">'
    '<a href="#ftnt_ref1" id="ftnt1">[1]</a><span class="c5">&nbsp;Round ones.</span></p></div>'
    '<div class="c10"><p class="c1"><a href="#cmnt_ref1" id="cmnt1">[a]</a><span class="c5">Is this so, Ada?</span></p>'
    "</div>"
    "</body></html>"
)


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_a_google_doc(tmp_path: Path, looks: Looks, form: str) -> None:
    export = laid_out(tmp_path / "export", {"OnLooms.html": GOOGLE_DOC, "images/image1.png": b"\x89PNG"}, form)
    [document] = documents(looks(export))
    assert document.title == "On looms"
    assert "# Cards\n\nThey have [holes](https://example.org/holes?a=1)[^1], all of them." in document.content
    assert "[^1]: Round ones." in document.content
    assert "Is this so" not in document.content
    assert "color" not in document.content


def test_a_tar_file_of_documents(tmp_path: Path, looks: Looks) -> None:
    path = tmp_path / "notes.tgz"
    path.write_bytes(tarred({"b.md": b"# Second\n\nText.", "a/first-one.txt": b"Text.", "c.png": b"\x89PNG"}))
    found = documents(looks(path))
    assert [(document.url.partition("#")[2], document.title) for document in found] == [
        ("a/first-one.txt", "first one"),
        ("b.md", "Second"),
    ]


def test_a_folder_that_merely_has_an_export_in_it_is_a_folder(tmp_path: Path) -> None:
    laid_out(tmp_path / "documents" / "linkedin", LINKEDIN, "folder")
    laid_out(tmp_path / "documents" / "x", X, "folder")
    assert collection.detect(str(tmp_path / "documents")).kind == "folder"


def test_an_export_whose_archive_has_one_folder_at_the_top_is_recognised(tmp_path: Path) -> None:
    for kind, files in (("linkedin", LINKEDIN), ("x", X)):
        inside = {f"Download_2024/{name}": content for name, content in files.items()}
        assert collection.detect(str(laid_out(tmp_path / kind, inside, "zip"))).kind == kind


def test_a_folder_of_an_export_that_cannot_be_opened_fails_the_source_so_that_nothing_passes_for_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("data", "more"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.md").write_text("Words.")
    scandir = os.scandir

    def deny(path: Path | int) -> os._ScandirIterator[str]:
        if isinstance(path, Path) and path.name == "more":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)  # tests run as root at times, whom no folder keeps out
    with (
        pytest.raises(SourceFailed, match="more cannot be opened: Permission denied"),
        export_files.opened(tmp_path, lambda _: True, member_bytes=100),
    ):
        pass
    assert export_files.names_of(tmp_path) == ["data/notes.md"]
