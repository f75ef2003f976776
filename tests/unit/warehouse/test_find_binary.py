"""Where mongod comes from, and what is said when there is none that runs."""

from __future__ import annotations

import importlib.util
import stat
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from twin.errors import PlatformError
from twin.warehouse.mongod import find_binary

WORKING = "#!/bin/sh\nexit 0\n"
BROKEN = "#!/bin/sh\necho 'libcrypto.so.3: cannot open shared object file' >&2\nexit 127\n"


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)


def write(path: Path, text: str, mode: int) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def install_wheel(root: Path, monkeypatch: pytest.MonkeyPatch, text: str, mode: int) -> Path:
    spec = ModuleSpec("fiftyone", loader=None, is_package=True)
    spec.submodule_search_locations = [str(root / "fiftyone")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    return write(root / "fiftyone" / "db" / "bin" / "mongod", text, mode)


def test_mongod_on_the_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_wheel(tmp_path / "site-packages", monkeypatch, WORKING, 0o755)
    own = write(tmp_path / "path" / "mongod", WORKING, 0o755)
    assert find_binary(tmp_path) == own


def test_the_wheels_mongod_is_made_executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = install_wheel(tmp_path / "site-packages", monkeypatch, WORKING, 0o644)
    assert find_binary(tmp_path) == shipped
    assert shipped.stat().st_mode & stat.S_IXUSR


def test_a_wheel_that_may_not_be_changed_is_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = install_wheel(tmp_path / "site-packages", monkeypatch, WORKING, 0o644)
    change_mode = Path.chmod

    def read_only(path: Path, mode: int) -> None:
        if path == shipped:
            raise PermissionError(path)
        change_mode(path, mode)

    monkeypatch.setattr(Path, "chmod", read_only)
    own = find_binary(tmp_path / "mongodb")
    assert own == tmp_path / "mongodb" / "bin" / "mongod"
    first = own.stat().st_mtime_ns
    assert find_binary(tmp_path / "mongodb") == own
    assert own.stat().st_mtime_ns == first
    assert [path.name for path in own.parent.iterdir()] == ["mongod"], "no partial copy is left"


def test_no_mongod_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"Install mongod .* or set MONGODB_URI"):
        find_binary(tmp_path)


@pytest.mark.parametrize(("text", "reason"), [(BROKEN, "libcrypto.so.3"), ("not a program", "Exec format error")])
def test_a_mongod_that_does_not_fit_the_platform_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    install_wheel(tmp_path / "site-packages", monkeypatch, text, 0o755)
    with pytest.raises(PlatformError, match=reason) as caught:
        find_binary(tmp_path)
    assert "set MONGODB_URI" in str(caught.value)
