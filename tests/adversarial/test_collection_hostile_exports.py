"""Archives and exports that mean harm, and any bytes at all: documents or reasons, within bounds, nothing else."""

from __future__ import annotations

import gzip
import io
import json
import random
import stat
import struct
import tarfile
import time
import tracemalloc
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin.collection.collectors import linkedin, mastodon, x
from twin.collection.exports import archives, googledocs, notion, obsidian
from twin.collection.exports.archives import Limits, Member, Refusal
from twin.collection.pages import markup
from twin.errors import CollectionError, InputError, SourceFailed, SourceRefused
from twin.records import Document, Rejected, Source, Visit, Withheld

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Looks
    from twin.collection import Item

LIMITS = Limits(member_bytes=1_000_000, total_bytes=20_000_000, entries=1_000)
FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def unpacked(path: Path, limits: Limits = LIMITS) -> tuple[dict[str, bytes], list[Refusal]]:
    """The texts that were unpacked by path, and what was refused; checks that nothing was written elsewhere."""
    scratch = path.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    before = {place for place in path.parent.rglob("*") if scratch not in place.parents}
    found = list(archives.unpack(path, lambda entry: entry.suffix == ".md", scratch, limits))
    assert {place for place in path.parent.rglob("*") if scratch not in place.parents} == before
    assert all(place.parent == scratch and place.name.isdigit() for place in scratch.iterdir())
    members = [each for each in found if isinstance(each, Member)]
    return (
        {str(member.path): member.place.read_bytes() for member in members},
        [each for each in found if isinstance(each, Refusal)],
    )


def zip_of(place: Path, entries: list[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
    return place


MODES = {".gz": "gz", ".tgz": "gz", ".bz2": "bz2"}


def tar_of(place: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(place, f"w:{MODES.get(place.suffix, '')}") as archive:  # ty: ignore[no-matching-overload]
        for entry, content in entries:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return place


def zip_link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry, target.encode()


def tar_entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


def test_entries_of_a_zip_file_that_lead_elsewhere_are_refused(tmp_path: Path) -> None:
    escaping = ["../up.md", "/root.md", "a/../../up.md", "C:\\boot.md", "..\\up.md", "C:/boot.md"]
    path = zip_of(
        tmp_path / "a.zip",
        [*((name, b"x") for name in escaping), zip_link("link.md", "/etc/passwd"), ("good/a.md", b"Text.")],
    )
    texts, refusals = unpacked(path)
    assert texts == {"good/a.md": b"Text."}
    assert len(refusals) == len(escaping) + 1
    assert {refusal.reason for refusal in refusals} == {"its name or kind is not that of a file within the archive"}


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_entries_of_a_tar_file_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    odd = [
        tar_entry("../up.md"),
        tar_entry("/root.md"),
        tar_entry("link.md", tarfile.SYMTYPE, "/etc/passwd"),
        tar_entry("hard.md", tarfile.LNKTYPE, "../../etc/passwd"),
        tar_entry("device.md", tarfile.CHRTYPE),
        tar_entry("pipe.md", tarfile.FIFOTYPE),
    ]
    path = tar_of(tmp_path / name, [*((entry, b"") for entry in odd), (tar_entry("good/a.md"), b"Text.")])
    texts, refusals = unpacked(path)
    assert texts == {"good/a.md": b"Text."}
    assert len(refusals) == len(odd)


def test_a_zip_bomb_is_refused_and_its_neighbours_are_taken(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", [("bomb.md", b"\0" * 9_000_000), ("good.md", b"Text.")])
    texts, refusals = unpacked(path, Limits(member_bytes=10_000_000))
    assert texts == {"good.md": b"Text."}
    assert "expands more than 200 times" in refusals[0].reason


def test_an_entry_that_is_too_large_is_refused_while_it_is_read(tmp_path: Path) -> None:
    noise = random.Random(0).randbytes(2_000_000)
    texts, refusals = unpacked(zip_of(tmp_path / "a.zip", [("large.md", noise), ("good.md", b"Text.")]))
    assert list(texts) == ["good.md"]
    assert "too large" in refusals[0].reason


def test_an_entry_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    data = bytearray(zip_of(tmp_path / "a.zip", [("a.md", b"Text that is longer than it says. " * 50)]).read_bytes())
    place = data.rindex(b"PK\x01\x02")
    struct.pack_into("<L", data, place + 24, 10)
    (tmp_path / "a.zip").write_bytes(data)
    texts, refusals = unpacked(tmp_path / "a.zip")
    assert texts == {}
    assert "cannot be unpacked" in refusals[0].reason


def nest(depth: int, content: bytes) -> bytes:
    for _ in range(depth):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(4):
                archive.writestr(f"{number}.zip" if content.startswith(b"PK") else f"{number}.md", content)
        content = data.getvalue()
    return content


def test_archives_in_archives_end_at_a_depth_and_at_a_total(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(nest(6, b"Text."))
    texts, refusals = unpacked(tmp_path / "a.zip")
    assert texts == {}
    assert {refusal.reason for refusal in refusals} == {"archives more than 3 deep are not opened"}
    (tmp_path / "b.zip").write_bytes(nest(3, random.Random(0).randbytes(900_000)))
    with pytest.raises(SourceRefused, match="unpacks to more than 20,000,000 bytes"):
        unpacked(tmp_path / "b.zip")


def test_an_archive_with_too_many_entries_is_refused(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", [(f"{number}.png", b"") for number in range(1_001)])
    with pytest.raises(SourceRefused, match="more than 1,000 entries"):
        unpacked(path)


def test_a_directory_of_an_unbelievable_size_is_refused_before_it_is_read(tmp_path: Path) -> None:
    data = bytearray(zip_of(tmp_path / "a.zip", [("a.md", b"Text.")]).read_bytes())
    struct.pack_into("<L", data, data.rindex(b"PK\x05\x06") + 12, 2_000_000_000)
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(SourceRefused, match="its list of files has 2,000,000,000 bytes"):
        unpacked(tmp_path / "a.zip")


def test_an_encrypted_entry_is_refused_with_what_to_do(tmp_path: Path) -> None:
    data = bytearray(zip_of(tmp_path / "a.zip", [("a.md", b"Text.")]).read_bytes())
    for magic, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        struct.pack_into("<H", data, data.index(magic) + offset, 1)
    (tmp_path / "a.zip").write_bytes(data)
    _, refusals = unpacked(tmp_path / "a.zip")
    assert "encrypted: unpack the archive with its password" in refusals[0].reason


def test_a_gzip_bomb_ends_soon_and_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    header = tar_entry("big.bin")
    header.size = 2_000_000_000
    with gzip.open(path, "wb") as file:
        file.write(header.tobuf())
        for _ in range(300):
            file.write(b"\0" * 1_000_000)
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(SourceRefused, match="unpacks to more than"):
        unpacked(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - start < 10
    assert peak < 20_000_000


def test_a_header_that_asks_for_all_memory_is_refused(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = tarfile.XHDTYPE, 8_000_000_000
    (tmp_path / "a.tar").write_bytes(entry.tobuf(format=tarfile.GNU_FORMAT) + b"\0" * 20_000)
    tracemalloc.start()
    with pytest.raises(CollectionError, match=r"unbelievable size|cannot be unpacked"):
        unpacked(tmp_path / "a.tar")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2"])
def test_an_archive_that_breaks_off_gives_what_came_or_fails(tmp_path: Path, looks: Looks, name: str) -> None:
    whole = tmp_path / name
    noise = random.Random(0).randbytes(50_000).hex().encode()
    if name == "a.zip":
        zip_of(whole, [("a.md", noise), ("b.md", noise[::-1])])
    else:
        tar_of(whole, [(tar_entry("a.md"), noise), (tar_entry("b.md"), noise[::-1])])
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(SourceFailed, match=r"a\..*cannot be unpacked|is not a zip file"):
        looks(whole)


def test_an_archive_whose_names_come_twice_or_are_odd_is_read(tmp_path: Path, looks: Looks) -> None:
    names = ["a.md", "a.md", "two\nlines.md", "caf\u00e9.md", "x" * 300 + ".md", "__MACOSX/._a.md", ".hidden/a.md"]
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = zip_of(tmp_path / "a.zip", [(name, f"Text of {number}.".encode()) for number, name in enumerate(names)])
    found = [item for item in looks(path) if isinstance(item, Document)]
    assert len(found) == 5
    assert all("\n" not in document.url for document in found)


ENTRY_NAMES = st.text(st.sampled_from("ab./\\:\0\n\u00e9 "), min_size=1, max_size=12).map(lambda name: f"{name}.md")


@FUZZ
@given(entries=st.lists(st.tuples(ENTRY_NAMES, st.binary(max_size=200)), max_size=6), cut=st.integers(0, 400))
def test_any_zip_file_is_members_refusals_or_a_collection_error(
    tmp_path: Path, entries: list[tuple[str, bytes]], cut: int
) -> None:
    path = tmp_path / "a.zip"
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for number, (name, content) in enumerate(entries):
            archive.writestr(f"{number}{name}", content)
    path.write_bytes(data.getvalue()[: max(0, len(data.getvalue()) - cut)] if cut % 3 == 0 else data.getvalue())
    try:
        texts, _ = unpacked(path)
    except CollectionError:
        return
    assert all(".." not in PurePosixPath(name).parts and not name.startswith("/") for name in texts)


@FUZZ
@given(data=st.binary(max_size=1_500), name=st.sampled_from(["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2"]))
def test_any_bytes_are_an_archive_or_a_collection_error(tmp_path: Path, data: bytes, name: str) -> None:
    magic = {"a.zip": b"PK\x03\x04", "a.tar.gz": b"\x1f\x8b\x08", "a.tar.bz2": b"BZh9"}.get(name, b"")
    (tmp_path / name).write_bytes(magic + data)
    with_error(lambda: unpacked(tmp_path / name))
    assert archives.names(tmp_path / name) is not None


def with_error(read: Callable[[], Any]) -> Any:
    """What `read` gives; None when it is one of our errors. Any other error is a failure of the test."""
    try:
        return read()
    except (CollectionError, InputError):
        return None


def look_into(place: Path, kind: str, files: dict[str, bytes]) -> list[Item]:
    """What an export with these files gives; nothing when it fails as a whole."""
    from twin import collection
    from twin.settings import SourceSettings, read

    for name, content in files.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(content)
    source = Source(kind=kind, location=str(place), author="Ada")
    with collection.Session(read(SourceSettings)) as session:
        return (
            with_error(lambda: [item for item in collection.collect(source, session) if not isinstance(item, Visit)])
            or []
        )


CSV_PIECES = st.lists(
    st.sampled_from(['"', '""', ",", "\n", "\r\n", "\r", "\\", "\\\"", "\0", "ShareCommentary", "Date", "ShareLink",
                     "words of a post", "2024-03-01 12:00:00", "https://www.linkedin.com/x", "\u00e9", "\ufeff"]),
    max_size=30,
).map("".join)  # fmt: skip


@FUZZ
@given(data=CSV_PIECES.map(str.encode) | st.binary(max_size=300))
def test_any_table_is_rows_or_a_collection_error(data: bytes) -> None:
    rows = with_error(lambda: list(linkedin.rows(b"Date,ShareLink,ShareCommentary\n" + data, ("ShareCommentary",))))
    assert rows is None or all(isinstance(row, dict | str) for row in rows)
    with_error(lambda: list(linkedin.rows(data, ("ShareCommentary",))))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
TWEETS = st.dictionaries(
    st.sampled_from(["id_str", "full_text", "created_at", "in_reply_to_status_id_str", "in_reply_to_user_id_str",
                     "entities", "extended_entities", "lang"]),
    JSON_VALUES | st.sampled_from(["1", "2", "3", "Wed Oct 10 20:19:24 +0000 2018", "three words here", "RT @a: b"]),
)  # fmt: skip


@FUZZ
@given(
    items=st.lists(st.one_of(JSON_VALUES, TWEETS, TWEETS.map(lambda tweet: {"tweet": tweet})), max_size=5),
    junk=st.binary(max_size=20),
)
def test_any_script_of_tweets_is_documents_or_reasons(tmp_path: Path, items: list, junk: bytes) -> None:
    script = b"window.YTD.tweets.part0 = " + json.dumps(items).encode() + (junk if len(junk) > 15 else b"")
    found = look_into(
        tmp_path, "x", {"data/tweets.js": script, "data/note-tweet.js": script, "data/account.js": script}
    )
    assert all(isinstance(item, Document | Rejected | Withheld) for item in found)


NOTES = st.fixed_dictionaries(
    {"type": st.just("Create")},
    optional={"object": JSON_VALUES | st.dictionaries(
        st.sampled_from(
            ["type", "url", "id", "content", "to", "cc", "published", "summary", "contentMap", "inReplyTo"]
        ),
        JSON_VALUES | st.sampled_from([mastodon.PUBLIC, "https://a.example/1", "<p>three words here"]),
    )},
)  # fmt: skip


@FUZZ
@given(outbox=JSON_VALUES | st.builds(lambda items: {"orderedItems": items}, st.lists(NOTES | JSON_VALUES, max_size=4)))
def test_any_outbox_is_documents_or_reasons(tmp_path: Path, outbox: Any) -> None:
    found = look_into(tmp_path, "mastodon", {"outbox.json": json.dumps(outbox).encode()})
    assert all(isinstance(item, Document | Rejected | Withheld) for item in found)


@FUZZ
@given(text=st.text(st.sampled_from("[]()!|#%>-=^`~ \nab\u00e9:1"), max_size=120))
def test_any_text_is_a_note_or_a_page(text: str) -> None:
    assert isinstance(obsidian.plain(text), str)
    page = notion.read_markdown(f"# T\n\n{text}", PurePosixPath(f"T {'0' * 32}.md"))
    assert page.title


@FUZZ
@given(html=st.text(st.sampled_from("<>/=\"' abphlidv1&;#\n"), max_size=150))
def test_any_html_of_an_export_is_markdown_or_a_collection_error(html: str) -> None:
    with_error(lambda: markup.to_markdown(markup.parse(html)))
    with_error(lambda: googledocs.read(html, url="file:///a", name="a"))
    with_error(lambda: notion.read_html(html, PurePosixPath(f"T {'0' * 32}.html")))


@pytest.mark.parametrize(
    "text",
    ["[[" * 200_000, "%%" * 200_001, "> [!" * 100_000, "#a" * 200_000, "![[" + "a|" * 200_000, "==" * 200_000,
     "```\n" * 100_001, "`" * 300_000, "- [ ](" * 100_000, "# T\n\n" + "A: b\n" * 100_000, "[a](" + "(" * 200_000],
)  # fmt: skip
def test_hostile_notes_take_bounded_time(text: str) -> None:
    start = time.process_time()
    obsidian.plain(text)
    notion.read_markdown(text, PurePosixPath(f"T {'0' * 32}.md"))
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "html", ["<div>" * 5_000 + "text", "<ul><li>" * 3_000 + "text", "<b>" * 200_000, "<table>" * 2_000]
)
def test_html_that_is_nested_without_end_is_markdown_or_a_reason(html: str) -> None:
    start = time.process_time()
    with_error(lambda: markup.to_markdown(markup.parse(html)))
    assert time.process_time() - start < 20


def test_a_thread_that_answers_itself_ends() -> None:
    loop = [
        x.Tweet(id_str="1", full_text="one two three", in_reply_to_status_id_str="2", in_reply_to_user_id_str="7"),
        x.Tweet(id_str="2", full_text="four five six", in_reply_to_status_id_str="1", in_reply_to_user_id_str="7"),
        x.Tweet(id_str="3", full_text="seven eight nine", in_reply_to_status_id_str="3", in_reply_to_user_id_str="7"),
    ]
    assert sum(len(thread) for thread in x.threads(loop, "7")) == 3


def test_a_very_long_thread_is_joined_soon() -> None:
    chain = [
        x.Tweet(id_str=f"{number:08}", full_text="some words here", in_reply_to_status_id_str=f"{number - 1:08}")
        for number in range(1, 5_001)
    ]
    start = time.process_time()
    [thread] = x.threads(chain, "7")
    assert len(thread) == 5_000
    assert time.process_time() - start < 5
