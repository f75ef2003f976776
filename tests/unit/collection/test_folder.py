"""Folders: which files become documents, and why the others do not."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from twin import collection
from twin.errors import SourceFailed
from twin.records import Document, Rejected, Source, Withheld, document_id
from twin.settings import SourceSettings, read

if TYPE_CHECKING:
    from pathlib import Path


def settings(**changes: object) -> SourceSettings:
    return read(SourceSettings).model_copy(update=changes)


def collect(folder: Path, author: str | None = "Ada", **changes: object) -> list[Document | Rejected | Withheld]:
    return list(collection.look(collection.detect(str(folder), author), settings(**changes)))


def only_document(folder: Path, **changes: Any) -> Document:
    [document] = collect(folder, **changes)
    assert isinstance(document, Document)
    return document


def only_rejection(folder: Path, **changes: Any) -> Rejected:
    [rejected] = collect(folder, **changes)
    assert isinstance(rejected, Rejected)
    return rejected


def test_documents_come_in_the_order_of_names_and_hidden_ones_do_not_come(tmp_path: Path) -> None:
    for name in ("b.md", "a/z.txt", "a/b/c.md", ".hidden.md", ".git/config.md", "c.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("<html><body><p>A paragraph of text that is long enough.</p></body></html>")
    names = [item.url.removeprefix(tmp_path.as_uri()) for item in collect(tmp_path)]
    assert names == ["/a/b/c.md", "/a/z.txt", "/b.md", "/c.html"]


def test_a_document_is_known_by_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "my first-post.txt").write_text("Some text.")
    document = only_document(tmp_path)
    assert document.url == f"{tmp_path.as_uri()}/my%20first-post.txt"
    assert document.id == document_id(document.url)
    assert (document.title, document.content, document.author) == ("my first post", "Some text.", "Ada")
    assert (document.kind, document.platform, document.published_at) == ("article", "file", None)


def test_front_matter_is_honoured(tmp_path: Path) -> None:
    (tmp_path / "post.md").write_text(
        "---\ntitle: 'On Engines'\nauthor: {name: Ada Lovelace}\ndate: 2024-03-02\n"
        "url: https://Ada.example.org/engines?utm_source=x\nlanguage: en\n---\n\n# Another heading\n\nText.\n"
    )
    document = only_document(tmp_path)
    assert document.title == "On Engines"
    assert document.author == "Ada Lovelace"
    assert document.published_at == datetime(2024, 3, 2, tzinfo=UTC)
    assert document.url == "https://ada.example.org/engines"
    assert document.id == document_id(document.url)
    assert document.platform == "ada.example.org"
    assert document.language == "en"
    assert document.content == "# Another heading\n\nText.\n"


def test_a_rule_at_the_top_is_not_front_matter(tmp_path: Path) -> None:
    text = "---\n\nA text that opens with a rule.\n\n---\n\nMore.\n"
    (tmp_path / "a.md").write_text(text)
    assert only_document(tmp_path).content == text


def test_broken_front_matter_fails_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: 'open\nauthor: x\n---\ntext\n")
    rejected = only_rejection(tmp_path)
    assert not rejected.refused
    assert "front matter" in rejected.reason
    assert "line" in rejected.reason


def test_the_title_is_the_first_heading_outside_code(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("```sh\n# not a title\n```\n\n# The title #\n\nText.")
    assert only_document(tmp_path).title == "The title"


def test_html_becomes_markdown_with_its_code_kept_byte_for_byte(tmp_path: Path) -> None:
    code = "def f(x):\n    if x:\n\n        return  x < 3"
    escaped = code.replace("<", "&lt;")
    (tmp_path / "a.html").write_text(
        "<html lang='en-GB'><head><title>My Post</title><meta name='author' content='Grace Hopper'></head><body>"
        "<nav><a href='/'>Home</a></nav><article><h1>My Post</h1><p>A first paragraph, long enough to be kept.</p>"
        f"<h2>Second part</h2><pre><code class='language-python'>{escaped}\n</code></pre>"
        "<p>Another paragraph, about the code above, in some detail.</p></article></body></html>"
    )
    document = only_document(tmp_path)
    assert document.title == "My Post"
    assert document.author == "Grace Hopper"
    assert document.language == "en-gb"
    assert "## Second part" in document.content
    assert f"```python\n{code}\n```" in document.content
    assert "Home" not in document.content


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("Größe".encode(), "Größe"),
        (b"\xef\xbb\xbf" + "Größe".encode(), "Größe"),
        ("Größe, naïve".encode("utf-16"), "Größe, naïve"),
        (
            "Die Größe der Bücher über Äpfel, Öl und weiße Mäuse, für alle Leser schön erklärt.".encode("cp1252"),
            "Die Größe der Bücher über Äpfel, Öl und weiße Mäuse, für alle Leser schön erklärt.",
        ),
        (
            ("Пусть всегда будет солнце, и все люди читают хорошие книги. " * 4).strip().encode("cp1251"),
            ("Пусть всегда будет солнце, и все люди читают хорошие книги. " * 4).strip(),
        ),
    ],
)
def test_text_is_read_in_its_encoding(tmp_path: Path, data: bytes, expected: str) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    assert only_document(tmp_path).content == expected


def test_a_few_stray_bytes_in_plain_ascii_are_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"A fine line.\nThis is \xff\xfe\xc3\x28 broken text, and more of it follows.")
    rejected = only_rejection(tmp_path)
    assert not rejected.refused
    assert "broken UTF-8 at byte 21 (line 2)" in rejected.reason


def test_broken_utf8_is_not_guessed_at(tmp_path: Path) -> None:
    good = "Größe und Länge, schön für Bücher.\n".encode()
    (tmp_path / "a.txt").write_bytes(good + good[:3] + b"\xff\xfe" + good)
    rejected = only_rejection(tmp_path)
    assert not rejected.refused
    assert "broken UTF-8 at byte" in rejected.reason
    assert "line 2" in rejected.reason


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.md", b"\x00\x01\x02binary", "binary"),
        ("a.txt", b"%PDF-1.7 disguised", "binary"),
        ("a.md", b"", "empty"),
        ("a.md", b" \n\t\n", "empty"),
        ("a.md", b"\x89PNG disguised", "binary"),
        ("a.xlsx", b"PK", "not a document"),
        ("a.md", b"x" * 101, "too large"),
        ("a.md", b"---\ntitle: only this\n---\n", "no text"),
    ],
)
def test_what_is_refused_says_why(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(data)
    rejected = only_rejection(tmp_path, max_bytes=100)
    assert rejected.refused
    assert reason in rejected.reason


def test_images_fonts_films_and_archives_are_passed_over(tmp_path: Path) -> None:
    for name in ("cover.PNG", "graph.svg", "talk.mp4", "font.woff2", "all.tar.gz"):
        (tmp_path / name).write_bytes(b"\0")
    with pytest.raises(SourceFailed, match="has no documents"):
        collect(tmp_path)
    (tmp_path / "a.md").write_text("Text.")
    assert only_document(tmp_path).content == "Text."


def test_a_document_without_an_author_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Text.")
    rejected = only_rejection(tmp_path, author=None)
    assert rejected.refused
    assert "--author" in rejected.reason


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "a.md").open("wb") as file:
        file.truncate(50_000_000_000)  # sparse: reading it would take minutes and all memory
    assert "too large: it has 50,000,000,000 bytes" in only_rejection(tmp_path).reason


def test_the_rest_goes_on_after_a_rejection(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"\0")
    (tmp_path / "b.md").write_text("Text.")
    assert [type(item) for item in collect(tmp_path)] == [Rejected, Document]


def test_symbolic_links_are_refused_and_loops_end(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    (tmp_path / "sub" / "passwd.txt").symlink_to("/etc/passwd")
    (tmp_path / "sub" / "gone.md").symlink_to("nowhere")
    (tmp_path / "x.md").write_text("Text.")
    items = collect(tmp_path)
    assert [type(item) for item in items] == [Rejected, Rejected, Rejected, Document]
    assert all("symbolic link" in item.reason for item in items[:3] if isinstance(item, Rejected))


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.md")
    assert "not a regular file" in only_rejection(tmp_path).reason


def test_a_folder_that_cannot_be_opened_makes_the_source_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.md").write_text("Text.")
    monkeypatch.chdir(tmp_path)
    for _ in range(20):  # a path too long for the system, which not even root can open by its name
        os.mkdir("d" * 250)  # noqa: PTH102 (relative to the folder that it deepens)
        os.chdir("d" * 250)
    items = collection.look(collection.detect(str(tmp_path), "Ada"), settings())
    assert isinstance(next(items), Document)
    with pytest.raises(SourceFailed, match="cannot be opened"):
        next(items)


def test_very_deep_folders_are_walked(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(700):
        deep /= "d"
        deep.mkdir()
    (deep / "a.md").write_text("Text.")
    assert only_document(tmp_path).content == "Text."


@pytest.mark.parametrize("make", [True, False])
def test_an_empty_or_missing_folder_fails_clearly(tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "docs"
    if make:
        (folder / "empty").mkdir(parents=True)
    with pytest.raises(SourceFailed, match=r"has no documents.*\.md|does not exist"):
        list(collection.look(Source(kind="folder", location=str(folder)), settings()))


def test_a_name_that_is_a_hash_is_no_page_of_notions(tmp_path: Path) -> None:
    (tmp_path / f"{'0a' * 16}.md").write_text("# A title\n\nAuthor: me\n")
    document = only_document(tmp_path)
    assert (document.url, document.author) == (f"{tmp_path.as_uri()}/{'0a' * 16}.md", "Ada")
