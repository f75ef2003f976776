"""What kind of source a location is."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin import collection
from twin.collection.registry import all_collectors
from twin.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

URLS = r"https?://[a-z]{1,8}\.(com|org)(:[0-9]{1,4})?(/[a-z%&;=]{0,6}){0,3}(\?[a-z=&%;]{0,12})?"
NOWHERE = ["", "   ", "/no/such/place", "ftp://example.org/x", "s3://bucket/x", "https://", "\0"]


def test_a_folder_is_a_folder_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path)
    source = collection.detect("./docs/../docs", "Ada")
    assert (source.kind, source.location, source.author) == ("folder", str(tmp_path / "docs"), "Ada")


def test_one_document_file_is_a_folder_of_one(tmp_path: Path) -> None:
    page = tmp_path / "page.MD"
    page.write_text("hello")
    assert collection.detect(str(page)).kind == "folder"
    assert collection.detect(page.as_uri()).location == str(page)


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "A.JSONL"])
def test_a_json_lines_file_is_known_by_its_ending(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}\n")
    assert collection.detect(str(tmp_path / name)).kind == "jsonl"


def test_a_folder_with_git_in_it_is_a_repository(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert collection.detect(str(tmp_path)).kind == "repository"


@pytest.mark.parametrize(
    ("location", "canonical"),
    [
        ("https://github.com/dagster-io/dagster", "https://github.com/dagster-io/dagster"),
        ("https://GitHub.com/dagster-io/dagster.git", "https://github.com/dagster-io/dagster"),
        ("https://gitlab.com/group/project/", "https://gitlab.com/group/project"),
        ("https://git.example.org/a/b.git", "https://git.example.org/a/b.git"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("ssh://git@example.org/a/b", "ssh://git@example.org/a/b"),
    ],
)
def test_repository_urls(location: str, canonical: str) -> None:
    source = collection.detect(location)
    assert (source.kind, source.location) == ("repository", canonical)


@pytest.mark.parametrize(
    "location",
    [
        "https://github.com/dagster-io/dagster/issues/1",
        "https://example.org/post",
        "http://example.org/a.git.html",
        "https://github.com/topics/python",
    ],
)
def test_other_web_urls_are_articles(location: str) -> None:
    assert collection.detect(location).kind == "article"


def test_spellings_of_one_article_are_one_source() -> None:
    spelled = "HTTPS://Example.org:443/post?utm_source=x&id=7&fbclid=abc#part"
    assert collection.detect(spelled).location == "https://example.org/post?id=7"
    assert collection.detect(spelled).id == collection.detect("https://example.org/post?id=7").id


@pytest.mark.parametrize("location", ["", "   ", "ftp://example.org/x", "s3://bucket/x", "https://", "\0"])
def test_anything_else_is_an_error_that_lists_what_is_accepted(location: str) -> None:
    with pytest.raises(InputError, match=r"Accepted: .*\.jsonl.*git repository.*\.md.*article"):
        collection.detect(location)


def test_a_file_of_another_kind_is_not_accepted(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match="Nothing to read"):
        collection.detect(str(tmp_path / "image.png"))


def test_a_url_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(InputError, match="user name or password") as caught:
        collection.detect("https://me:hunter2@example.org/post")
    assert "hunter2" not in str(caught.value)


@given(st.text(max_size=80))
def test_any_text_is_a_source_or_a_clear_error(location: str) -> None:
    try:
        source = collection.detect(location)
    except InputError:
        return
    assert source.location
    assert source.kind in {collector.kind for collector in all_collectors()}


@given(st.from_regex(URLS, fullmatch=True))
def test_a_canonical_url_is_its_own_canonical_form(url: str) -> None:
    from twin.collection.web import urls

    assert urls.canonical(urls.canonical(url)) == urls.canonical(url)


@pytest.mark.parametrize("location", ["a" * 5_000, "folder/" * 3_000, "http://[::1", "notes/\ud800.md"])
def test_what_the_system_takes_for_no_name_is_an_error_of_bounded_length(location: str) -> None:
    with pytest.raises(InputError, match=r"Nothing to read|not a valid URL") as raised:
        collection.detect(location)
    assert len(raised.value.message) < 3_000


def test_a_place_that_may_not_be_entered_is_told_from_one_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(self: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.is_file", deny)  # tests run as root at times, whom no folder keeps out
    with pytest.raises(InputError, match=r"Permission denied\. Check who may read it"):
        collection.detect(str(tmp_path / "notes.md"))


@pytest.mark.parametrize(
    "location", ["/nowhere/notes", "./nowhere", "../nowhere/a.md", "~/nowhere-at-all", "nope", "a/b.md"]
)
def test_a_path_that_is_not_there_says_that_alone(location: str) -> None:
    with pytest.raises(InputError, match=r"does not exist: check the path\.$"):
        collection.detect(location)


@pytest.mark.parametrize("location", ["notes.md", "example.com", "www.example.com/posts/"])
def test_a_name_that_is_not_there_may_be_meant_as_a_url(location: str) -> None:
    with pytest.raises(InputError, match=r"does not exist: check the path\. If it is on the web, begin it with https"):
        collection.detect(location)
