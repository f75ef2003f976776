"""A repository that changes between looks: what it costs, and what is told."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, cast

import pytest

from twin.errors import SourceFailed
from twin.records import Document, Rejected, Source, Unchanged, Visit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Looks
    from twin.collection import Item

IDENTITY = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "A",
            "GIT_COMMITTER_EMAIL": "a@example.org"}  # fmt: skip


def git(folder: Path, *arguments: str) -> str:
    run = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **IDENTITY},
    )
    return run.stdout.strip()


def commit(folder: Path, **files: str | None) -> None:
    """Commits files by name (`__` stands for `.`); None removes one."""
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.unlink(missing_ok=True) if content is None else path.write_text(content)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Change")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, a__md="# A\n\nText.", b__py="b = 1\n", data__csv="1,2\n")
    return folder


@pytest.fixture(params=["local", "remote"])
def source(request: pytest.FixtureRequest, work: Path) -> Source:
    """The repository as a folder, and by URL."""
    return Source(kind="repository", location=str(work) if request.param == "local" else work.as_uri(), author="Ada")


def told(items: list[Item]) -> dict[str, str]:
    """What became of each file, by its name."""
    names: dict[type, str] = {Document: "read", Unchanged: "unchanged", Rejected: "rejected"}
    places = {(cast("Any", item).url or "all"): names[type(item)] for item in items if not isinstance(item, Visit)}
    return {url.rsplit("/", 1)[-1].rsplit("#", 1)[-1]: fate for url, fate in places.items()}


def test_the_same_commit_is_unchanged_as_a_whole(source: Source, looks: Looks, tmp_path: Path) -> None:
    assert told(looks(source, cache=tmp_path / "cache")) == {"a.md": "read", "b.py": "read", "data.csv": "rejected"}
    assert looks(source, cache=tmp_path / "cache") == [Unchanged()]


def test_of_a_new_commit_only_what_changed_is_read(source: Source, looks: Looks, work: Path, tmp_path: Path) -> None:
    looks(source, cache=tmp_path / "cache")
    commit(work, b__py="b = 2\n", c__md="# C\n\nText.")
    items = looks(source, cache=tmp_path / "cache")
    assert told(items) == {"a.md": "unchanged", "b.py": "read", "c.md": "read", "data.csv": "rejected"}
    commit(work, a__md=None)
    items = looks(source, cache=tmp_path / "cache")
    assert told(items) == {"b.py": "unchanged", "c.md": "unchanged", "data.csv": "rejected"}


def test_an_unchanged_repository_is_not_even_fetched(looks: Looks, work: Path, tmp_path: Path) -> None:
    source = Source(kind="repository", location=work.as_uri(), author="Ada")
    looks(source, cache=tmp_path / "cache")
    shutil.rmtree(tmp_path / "cache")
    assert looks(source, cache=tmp_path / "cache") == [Unchanged()]
    assert not (tmp_path / "cache").exists()


def test_another_author_is_another_reading(source: Source, looks: Looks) -> None:
    looks(source)
    other = Source(kind=source.kind, location=source.location, author="Grace")
    assert told(looks(other)) == {"a.md": "read", "b.py": "read", "data.csv": "rejected"}


def test_a_history_that_was_rewritten_makes_no_difference(looks: Looks, work: Path, tmp_path: Path) -> None:
    source = Source(kind="repository", location=work.as_uri(), author="Ada")
    commit(work, b__py="b = 2\n")
    looks(source, cache=tmp_path / "cache")
    git(work, "reset", "-q", "--hard", "HEAD~1")
    git(work, "commit", "-q", "--amend", "-m", "Another beginning")
    commit(work, a__md="# A\n\nRewritten.")
    items = looks(source, cache=tmp_path / "cache")
    assert told(items) == {"a.md": "read", "b.py": "read", "data.csv": "rejected"}
    [document] = [item for item in items if isinstance(item, Document) and item.title == "A"]
    assert "Rewritten" in document.content


def test_a_shallow_repository_is_read(looks: Looks, work: Path, tmp_path: Path) -> None:
    commit(work, b__py="b = 2\n")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", work.as_uri(), str(shallow))
    source = Source(kind="repository", location=shallow.as_uri(), author="Ada")
    assert told(looks(source, cache=tmp_path / "cache"))["b.py"] == "read"
    commit(work, b__py="b = 3\n")
    git(shallow, "fetch", "-q", "--depth", "1", "origin", "main")
    git(shallow, "reset", "-q", "--hard", "FETCH_HEAD")
    items = looks(source, cache=tmp_path / "cache")
    assert told(items) == {"a.md": "unchanged", "b.py": "read", "data.csv": "rejected"}


def test_a_branch_that_was_deleted_or_renamed_does_no_harm(looks: Looks, work: Path, tmp_path: Path) -> None:
    source = Source(kind="repository", location=work.as_uri(), author="Ada")
    git(work, "branch", "twin/newest")
    looks(source, cache=tmp_path / "cache")
    git(work, "branch", "-D", "twin/newest")
    git(work, "branch", "-m", "main", "trunk")
    commit(work, b__py="b = 2\n")
    assert told(looks(source, cache=tmp_path / "cache"))["b.py"] == "read"


def test_a_default_branch_that_is_gone_is_a_clear_failure(looks: Looks, work: Path, tmp_path: Path) -> None:
    source = Source(kind="repository", location=work.as_uri(), author="Ada")
    looks(source, cache=tmp_path / "cache")
    git(work, "symbolic-ref", "HEAD", "refs/heads/nowhere")
    with pytest.raises(SourceFailed, match="no commit at HEAD"):
        looks(source, cache=tmp_path / "cache")


@pytest.mark.parametrize("damage", ["emptied", "cut"])
def test_a_kept_clone_that_is_damaged_is_made_anew(looks: Looks, work: Path, tmp_path: Path, damage: str) -> None:
    source = Source(kind="repository", location=work.as_uri(), author="Ada")
    looks(source, cache=tmp_path / "cache")
    [clone] = (tmp_path / "cache" / "git").iterdir()
    if damage == "emptied":
        shutil.rmtree(clone / "refs")
    else:
        (clone / "HEAD").write_bytes(b"\0\0\0")
    commit(work, b__py="b = 2\n")
    items = looks(source, cache=tmp_path / "cache")
    assert told(items) == {"a.md": "unchanged", "b.py": "read", "data.csv": "rejected"}


def test_what_the_repository_calls_generated_or_vendored_is_refused(source: Source, looks: Looks, work: Path) -> None:
    (work / "gen").mkdir()
    (work / "gen" / "api.py").write_text("x = 1\n")
    (work / "their.js").write_text("var a;\n")
    (work / "kept.js").write_text("var b;\n")
    attributes = "gen/** linguist-generated\n*.js linguist-vendored=true\nkept.js linguist-vendored=false\n"
    commit(work, __gitattributes=attributes)
    reasons = {
        item.url.rsplit("/", 1)[-1].rsplit("#")[-1]: item.reason for item in looks(source) if isinstance(item, Rejected)
    }
    assert "it is generated, as the repository's .gitattributes say" in reasons.values()
    assert sum("other people's code" in reason for reason in reasons.values()) == 1
    assert not any("kept.js" in name for name in reasons)
    commit(work, __gitattributes="their.js linguist-vendored=false\n")
    assert "their.js" in " ".join(told([item for item in looks(source) if isinstance(item, Document)]))
