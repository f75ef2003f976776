"""Files that are as at the last look are not opened again."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from twin.errors import SourceFailed
from twin.records import Document, Rejected, Unchanged

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Looks

LINE = b'{"id": "1", "author": "Ada", "content": "Text."}\n'


def write(path: Path, data: str | bytes, *, seconds_ago: float = 60) -> Path:
    """Writes a file that was last changed a while ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    moment = time.time() - seconds_ago
    os.utime(path, (moment, moment))
    return path


def kinds(items: list) -> list[type]:
    return [type(item) for item in items]


def test_a_file_that_is_as_it_was_is_not_opened(tmp_path: Path, looks: Looks) -> None:
    note = write(tmp_path / "a.md", "Text.")
    [document] = looks(tmp_path)
    assert isinstance(document, Document)
    opened = note.stat().st_atime_ns
    os.utime(note, ns=(0, note.stat().st_mtime_ns))  # a read would change this with most ways of mounting
    assert looks(tmp_path) == [Unchanged(url=document.url)]
    assert note.stat().st_atime_ns == 0 < opened


@pytest.mark.parametrize("change", ["content", "replaced", "author", "vault"])
def test_whatever_changes_the_document_is_noticed(tmp_path: Path, looks: Looks, change: str) -> None:
    note = write(tmp_path / "a.md", "Text.")
    looks(tmp_path)
    if change == "content":
        write(note, "Text and more.")
    elif change == "replaced":  # same size and same time, another file
        write(tmp_path / "new", "Tixt.")
        os.utime(tmp_path / "new", ns=(note.stat().st_atime_ns, note.stat().st_mtime_ns))
        (tmp_path / "new").replace(note)
    elif change == "vault":
        (tmp_path / ".obsidian").mkdir()
    items = looks(tmp_path, "Grace" if change == "author" else "Ada")
    assert kinds(items) == [Document]


def test_a_file_that_was_changed_just_now_is_looked_at_again(tmp_path: Path, looks: Looks) -> None:
    write(tmp_path / "a.md", "Text.", seconds_ago=0)
    assert kinds(looks(tmp_path)) == kinds(looks(tmp_path)) == [Document]


def test_the_documents_location_is_told_where_front_matter_names_it(tmp_path: Path, looks: Looks) -> None:
    write(tmp_path / "a.md", "---\nurl: https://example.org/a\n---\nText.")
    looks(tmp_path)
    assert looks(tmp_path) == [Unchanged(url="https://example.org/a")]


def test_what_was_refused_is_told_again(tmp_path: Path, looks: Looks) -> None:
    write(tmp_path / "a.md", "\0")
    assert looks(tmp_path) == looks(tmp_path)
    assert kinds(looks(tmp_path)) == [Rejected]


def test_a_file_that_changes_while_it_is_read_fails_and_is_read_next_time(
    tmp_path: Path, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twin.collection.files import formats

    note = write(tmp_path / "a.md", "First half")
    read_draft = formats.read_draft

    def slow(*arguments, **options):  # the author's editor saves in the middle of the read
        monkeypatch.undo()
        write(note, "First half and second half.")
        return read_draft(*arguments, **options)

    monkeypatch.setattr(formats, "read_draft", slow)
    [rejected] = looks(tmp_path)
    assert isinstance(rejected, Rejected)
    assert not rejected.refused
    assert "changed while it was read" in rejected.reason
    [document] = looks(tmp_path)
    assert isinstance(document, Document)
    assert document.content == "First half and second half."


def test_names_may_have_line_feeds_and_bytes_that_are_not_utf_8(tmp_path: Path, looks: Looks) -> None:
    write(tmp_path / "two\nlines.md", "One.")
    with open(os.fsencode(tmp_path) + b"/caf\xe9.md", "wb") as file:  # noqa: PTH123 (no Path has such a name)
        file.write(b"Two.")
    documents = [item for item in looks(tmp_path) if isinstance(item, Document)]
    assert [document.title for document in documents] == ["caf\ufffd", "two lines"]
    assert [document.url.rsplit("/", 1)[1] for document in documents] == ["caf%E9.md", "two%0Alines.md"]
    for document in documents:
        document.title.encode()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read")
def test_a_file_that_may_not_be_read_fails_with_the_reason(looks: Looks) -> None:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        write(Path(folder) / "a.md", "Secret.").chmod(0o600)
        write(Path(folder) / "b.md", "Open.").chmod(0o644)
        os.seteuid(65534)
        try:
            items = looks(folder)
        finally:
            os.seteuid(0)
    assert kinds(items) == [Rejected, Document]
    assert isinstance(items[0], Rejected)
    assert "Permission denied" in items[0].reason


def test_a_file_of_lines_that_is_as_it_was_is_unchanged_as_a_whole(tmp_path: Path, looks: Looks) -> None:
    path = write(tmp_path / "a.jsonl", LINE + b"{broken\n")
    assert kinds(looks(path)) == [Document, Rejected]
    assert looks(path) == [Unchanged()]


def test_a_file_of_lines_that_was_only_touched_is_known_by_its_content(tmp_path: Path, looks: Looks) -> None:
    path = write(tmp_path / "a.jsonl", LINE)
    looks(path)
    write(path, LINE, seconds_ago=5)
    assert looks(path) == [Unchanged()]
    write(path, LINE + LINE.replace(b'"1"', b'"2"'), seconds_ago=5)
    assert kinds(looks(path)) == [Document, Document]


def test_a_file_of_lines_that_grows_while_it_is_read_is_read_again(tmp_path: Path, looks: Looks) -> None:
    from twin import collection
    from twin.settings import SourceSettings, read

    path = write(tmp_path / "a.jsonl", LINE)
    with collection.Session(read(SourceSettings), memory=looks) as session:
        items = collection.collect(collection.detect(str(path)), session)
        assert isinstance(next(items), Document)
        write(path, LINE * 2)
        with pytest.raises(SourceFailed, match="changed while it was read"):
            list(items)
    assert kinds(looks(path, None)) == [Document, Document]
