"""Versions follow the commits and the changelog; a release whose parts disagree is refused."""

from __future__ import annotations

import importlib.util
import subprocess
from datetime import date
from typing import TYPE_CHECKING

import pytest

from tests.unit.deploy.workflows import PROJECT

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Fixed\n\n- A fault.\n"


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, over a repository of its own with one release, 1.2.3."""
    path = PROJECT / "deploy" / "scripts" / "release.py"
    spec = importlib.util.spec_from_file_location("release_program", path)
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    for name, place in {"PROJECT": ".", "PYPROJECT": "pyproject.toml", "CHANGELOG": "CHANGELOG.md"}.items():
        monkeypatch.setattr(program, name, tmp_path / place)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    for command in (["init", "-q"], ["config", "user.name", "A"], ["config", "user.email", "a@example.org"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    commit(tmp_path, "First")
    subprocess.run(["git", "tag", "v1.2.3"], cwd=tmp_path, check=True)
    return program


def commit(folder: Path, message: str) -> None:
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", message], cwd=folder, check=True)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Mend a thing", "1.2.4"),
        ("fix(web): mend a thing", "1.2.4"),
        ("feat: add a thing", "1.3.0"),
        ("feat(api)!: rename a thing", "2.0.0"),
        ("refactor: move\n\nBREAKING CHANGE: rename a thing", "2.0.0"),
    ],
)
def test_the_next_version_follows_the_commits(release: ModuleType, tmp_path: Path, message: str, expected: str) -> None:
    commit(tmp_path, message)
    assert release.prepare(None, date(2026, 11, 28)) == expected
    assert f'version = "{expected}"' in (tmp_path / "pyproject.toml").read_text()
    changelog = (tmp_path / "CHANGELOG.md").read_text()
    assert f"## [Unreleased]\n\n## [{expected}] - 2026-11-28\n" in changelog
    assert release.section(changelog, f"## [{expected}]") == "### Fixed\n\n- A fault."


def test_a_changelog_with_something_added_is_a_minor_step(release: ModuleType) -> None:
    assert release.following((0, 1, 0), ["Mend a thing"], "### Added\n\n- A thing.") == (0, 2, 0)
    assert release.following((0, 1, 0), ["feat!: a thing"], "") == (0, 2, 0)


def test_a_tag_that_is_not_the_version_is_refused(release: ModuleType, tmp_path: Path) -> None:
    commit(tmp_path, "Mend a thing")
    with pytest.raises(SystemExit, match=r"no tag v1\.2\.3"):
        release.check()
    release.prepare("1.3.0", date(2026, 11, 28))
    commit(tmp_path, "Release")
    subprocess.run(["git", "tag", "v1.3.0"], cwd=tmp_path, check=True)
    assert release.check() == "v1.3.0"


@pytest.mark.parametrize("wanted", ["1.3", "v1.3.0", "next"])
def test_what_is_no_version_is_refused(release: ModuleType, wanted: str) -> None:
    with pytest.raises(SystemExit, match="no version"):
        release.prepare(wanted, date(2026, 11, 28))


def test_nothing_unreleased_is_nothing_to_release(release: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n## [1.2.3]\n\n- A thing.\n")
    with pytest.raises(SystemExit, match="nothing to release"):
        release.prepare(None, date(2026, 11, 28))
