"""What is withheld from each kind of source, at the first look and when nothing but the time or the choice changed."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest

from twin import collection
from twin.records import Document, Rejected, Source, Unchanged, Withheld

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Looks
    from twin.collection import Item

TEXT = "The keeper of the mill tells of water, of stones and of long winters.\n"
BLOG = {
    "posts/out.md": f"---\ntitle: Out\n---\n{TEXT}",
    "posts/draft.md": f'+++\ntitle = "Draft"\ndraft = true\n+++\n{TEXT}',
    "posts/json.md": f'{{\n  "title": "Draft",\n  "draft": true\n}}\n{TEXT}',
    "posts/soon.md": f"---\npublishDate: 2024-06-02\n---\n{TEXT}",
    "posts/late.md": f"---\nexpiryDate: 2024-06-03\n---\n{TEXT}",
    "posts/private.md": f"---\nprivate: true\n---\n{TEXT}",
    "posts/page.html": f"---\npublished: false\n---\n<html><body><article><p>{TEXT * 9}</p></article></body></html>",
    "_drafts/later.md": TEXT,
    "posts/template.md": "---\ntitle: T\n---\n{% include all.html %}\n<!-- # Secret heading -->\n",
    "notes/heading.md": f"<!-- # Secret heading -->\n\n# Shown heading\n\n{TEXT}",
}
SHOWN = {"out.md", "late.md", "heading.md"}


def day(number: int) -> Callable[[], datetime]:
    """The clock on a day of June 2024."""
    return lambda: datetime(2024, 6, number, 12, tzinfo=UTC)


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (500_000_000, 500_000_000))  # long ago, so that a look is remembered
    return root


def as_folder(root: Path) -> Path:
    return written(root / "blog", BLOG)


def as_archive(root: Path) -> Path:
    path = root / "blog.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in BLOG.items():
            archive.writestr(name, text)
    os.utime(path, (0, 0))
    return path


def as_repository(root: Path) -> Path:
    folder = written(root / "blog", BLOG)
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Begin"]):
        subprocess.run(
            ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@example.org", *arguments], check=True
        )
    return folder


@pytest.fixture(params=[as_folder, as_archive, as_repository])
def blog(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    return collection.detect(str(request.param(tmp_path)), "Ada")


def names(items: list[Item], kind: type = Document) -> set[str]:
    return {str(item.url).rsplit("/", 1)[-1] for item in items if isinstance(item, kind) and item.url}


def test_a_blog_gives_what_is_for_readers_and_tells_the_rest(blog: Source, looks: Looks) -> None:
    items = looks(blog, clock=day(1))
    assert names(items) == SHOWN
    withheld = {str(item.url).rsplit("/", 1)[-1]: item for item in items if isinstance(item, Withheld)}
    assert set(withheld) == {name.rsplit("/", 1)[-1] for name in BLOG} - SHOWN
    assert withheld["soon.md"].until == datetime(2024, 6, 2, tzinfo=UTC)
    assert withheld["template.md"].reason == "nothing in it is for readers: it is all template code, comment"
    assert not any(isinstance(item, Rejected) for item in items)
    [heading] = [item for item in items if isinstance(item, Document) and item.url.endswith("heading.md")]
    assert (heading.title, heading.left_out) == ("Shown heading", {"comment": 1})


def test_time_brings_posts_in_and_takes_them_out_though_nothing_changed(blog: Source, looks: Looks) -> None:
    looks(blog, clock=day(1))
    assert not names(looks(blog, clock=day(1))), "nothing is read again"
    assert names(looks(blog, clock=day(2))) >= {"soon.md"}
    after = looks(blog, clock=day(3))
    assert "late.md" in names(after, Withheld)
    assert "late.md" not in names(after) | names(after, Unchanged)
    assert not names(looks(blog, clock=day(4)))


def test_drafts_come_in_when_they_are_wanted_and_private_pages_never(blog: Source, looks: Looks) -> None:
    looks(blog, clock=day(1))
    wanted = msgspec.structs.replace(blog, include_drafts=True)
    items = looks(wanted, clock=day(1))
    assert names(items) >= {"draft.md", "json.md", "soon.md", "page.html", "later.md"}
    assert names(items, Withheld) == {"private.md", "template.md"}
    as_before = looks(blog, clock=day(1), include_drafts=True)
    assert not names(as_before), "the setting wants the same of every source"
    again = looks(blog, clock=day(1))
    assert names(again, Withheld) >= {"draft.md", "later.md"}
    assert "draft.md" not in names(again) | names(again, Unchanged)


def test_patterns_choose_files_though_nothing_changed(blog: Source, looks: Looks) -> None:
    looks(blog, clock=day(1))
    chosen = msgspec.structs.replace(blog, include=("posts/*", "_drafts/"), exclude=("late.*",))
    items = looks(chosen, clock=day(1))
    assert names(items) | names(items, Unchanged) == {"out.md"}
    reasons = {item.url.rsplit("/", 1)[-1]: item.reason for item in items if isinstance(item, Withheld)}
    assert reasons["late.md"] == "it is excluded by the pattern late.*"
    assert reasons["heading.md"] == "no pattern includes it (posts/*, _drafts/)"
    everything = looks(blog, clock=day(1))
    assert names(everything) | names(everything, Unchanged) == SHOWN


def test_an_excluded_folder_is_not_even_opened(tmp_path: Path, looks: Looks) -> None:
    folder = as_folder(tmp_path)
    closed = folder / "closed"
    closed.mkdir(mode=0o000)
    source = Source(kind="folder", location=str(folder), author="Ada", exclude=("closed/",))
    items = looks(source, clock=day(1))
    assert names(items) == SHOWN
    closed_url = closed.as_uri() + "/"
    assert [item.below for item in items if isinstance(item, Withheld) and item.url == closed_url] == [True]


def test_records_say_what_is_not_for_readers(tmp_path: Path, looks: Looks) -> None:
    marks = [
        {}, {"status": "publish"}, {"status": "draft"}, {"published": False}, {"visibility": "private"},
        {"published_at": "2024-06-02"}, {"status": "private"}, {"password": "secret"},
    ]  # fmt: skip
    records = [
        {"id": str(number), "title": f"T{number}", "content": f"{TEXT} <!-- a note -->", **said}
        for number, said in enumerate(marks)
    ]
    (tmp_path / "posts.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "posts.json").write_text(json.dumps(records))
    for name in ("posts.jsonl", "posts.json"):
        os.utime(tmp_path / name, (500_000_000, 500_000_000))
        items = looks(tmp_path / name, clock=day(1))
        assert [item.title for item in items if isinstance(item, Document)] == ["T0", "T1"]
        assert all("note" not in item.content for item in items if isinstance(item, Document))
        assert [str(item.url)[-1] for item in items if isinstance(item, Withheld)] == list("234567")
        assert [item.title for item in looks(tmp_path / name, clock=day(2)) if isinstance(item, Document)] == [
            "T0", "T1", "T5",
        ]  # fmt: skip


@pytest.mark.parametrize("form", ["folder", "archive"])
def test_what_substack_never_published(tmp_path: Path, looks: Looks, form: str) -> None:
    page = f"<html><body><p>{TEXT * 9}</p></body></html>"
    table = "post_id,post_date,is_published,title\n1.out,2024-01-01,{},Out\n2.in,,false,For my lawyer\n"
    folder = tmp_path / "substack"
    written(folder, {"posts/1.out.html": page, "posts/2.in.html": page, "posts.csv": table.format("true")})
    place = folder
    if form == "archive":
        place = tmp_path / "substack.zip"
        with zipfile.ZipFile(place, "w") as archive:
            for path in ("posts/1.out.html", "posts/2.in.html", "posts.csv"):
                archive.write(folder / path, path)
    items = looks(place, clock=day(1))
    assert (names(items), names(items, Withheld)) == ({"1.out.html"}, {"2.in.html"})
    if form == "folder":
        (folder / "posts.csv").write_text(table.format("false"))
        items = looks(place, clock=day(1))
        assert names(items, Withheld) == {"1.out.html", "2.in.html"}, "the table changed, the page did not"
