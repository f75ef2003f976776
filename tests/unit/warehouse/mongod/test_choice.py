"""Which mongod is run: where it comes from, which may open the data, and what is said when there is none."""

from __future__ import annotations

import importlib.util
import stat
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from twin.errors import PlatformError
from twin.warehouse.mongod import choose
from twin.warehouse.mongod.binaries import examine
from twin.warehouse.mongod.origin import others, remember

BROKEN = "#!/bin/sh\necho 'libcrypto.so.3: cannot open shared object file' >&2\nexit 127\n"


def of_version(version: str) -> str:
    """A mongod that can say its version, and nothing else."""
    return f"#!/bin/sh\necho 'db version v{version}'\n"


WORKING = of_version("6.0.5")


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)


def write(path: Path, text: str, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def install_wheel(root: Path, monkeypatch: pytest.MonkeyPatch, text: str, mode: int = 0o755) -> Path:
    spec = ModuleSpec("fiftyone", loader=None, is_package=True)
    spec.submodule_search_locations = [str(root / "fiftyone")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    return write(root / "fiftyone" / "db" / "bin" / "mongod", text, mode)


def put_on_path(root: Path, text: str) -> Path:
    return write(root / "path" / "mongod", text)


def test_for_new_data_the_one_on_the_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_wheel(tmp_path / "site-packages", monkeypatch, WORKING)
    own = put_on_path(tmp_path, of_version("8.0.4"))
    assert choose(tmp_path) == (examine(own), None)
    assert str(examine(own).version) == "8.0.4"


def test_the_one_that_made_the_data_goes_on_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_by = examine(install_wheel(tmp_path / "site-packages", monkeypatch, WORKING))
    remember(tmp_path, made_by, "6.0")
    put_on_path(tmp_path, of_version("7.0.1"))
    assert choose(tmp_path) == (made_by, None)


def test_another_of_the_same_release_takes_over(tmp_path: Path) -> None:
    gone = write(tmp_path / "old" / "mongod", WORKING)
    remember(tmp_path, examine(gone), "6.0")
    gone.unlink()
    patched = put_on_path(tmp_path, of_version("6.0.19"))
    assert choose(tmp_path) == (examine(patched), None)


def test_the_same_place_with_another_release_is_another_mongod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = put_on_path(tmp_path, WORKING)
    remember(tmp_path, examine(own), "6.0")
    put_on_path(tmp_path, of_version("8.0.4"))  # an upgrade of the machine
    shipped = install_wheel(tmp_path / "site-packages", monkeypatch, WORKING)
    assert choose(tmp_path) == (examine(shipped), None)


def test_the_next_release_may_raise_the_data_when_its_own_is_gone(tmp_path: Path) -> None:
    gone = write(tmp_path / "old" / "mongod", WORKING)
    remember(tmp_path, examine(gone), "6.0")
    gone.unlink()
    following = put_on_path(tmp_path, of_version("7.0.1"))
    choice = choose(tmp_path)
    assert (choice.binary, choice.raised_from and choice.raised_from.series) == (examine(following), "6.0")


@pytest.mark.parametrize(
    ("there", "advice"), [("8.0.4", "upgrade one release at a time"), ("5.0.2", "does not open the data of a newer")]
)
def test_a_release_that_cannot_open_the_data_is_not_started(tmp_path: Path, there: str, advice: str) -> None:
    gone = write(tmp_path / "old" / "mongod", WORKING)
    remember(tmp_path, examine(gone), "6.0")
    gone.unlink()
    own = put_on_path(tmp_path, of_version(there))
    with pytest.raises(PlatformError, match=r"was made by MongoDB 6\.0") as caught:
        choose(tmp_path)
    message = str(caught.value)
    assert f"the mongod here is {there} ({own})" in message
    assert advice in message
    assert "Install mongod" not in message


@pytest.mark.parametrize(
    "content", ["", "not JSON", "[]", '{"series": 6}', '{"series": "?", "version": "", "binary": ""}']
)
def test_a_memory_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    own = put_on_path(tmp_path, of_version("8.0.4"))
    (tmp_path / "made-by.json").write_text(content)
    assert choose(tmp_path).binary.path == own


def test_data_of_unknown_origin_may_be_tried_by_every_mongod_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = examine(install_wheel(tmp_path / "site-packages", monkeypatch, WORKING))
    own = examine(put_on_path(tmp_path, of_version("8.0.4")))
    assert list(others(tmp_path, own)) == [shipped]
    remember(tmp_path, shipped, "6.0")
    assert list(others(tmp_path, own)) == []


def test_the_wheels_mongod_is_made_executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = install_wheel(tmp_path / "site-packages", monkeypatch, WORKING, 0o644)
    assert choose(tmp_path).binary.path == shipped
    assert shipped.stat().st_mode & stat.S_IXUSR


def test_a_wheel_that_may_not_be_changed_is_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = install_wheel(tmp_path / "site-packages", monkeypatch, WORKING, 0o644)
    change_mode = Path.chmod

    def read_only(path: Path, mode: int) -> None:
        if path == shipped:
            raise PermissionError(path)
        change_mode(path, mode)

    monkeypatch.setattr(Path, "chmod", read_only)
    own = choose(tmp_path / "mongodb").binary.path
    assert own == tmp_path / "mongodb" / "bin" / "mongod"
    first = own.stat().st_mtime_ns
    assert choose(tmp_path / "mongodb").binary.path == own
    assert own.stat().st_mtime_ns == first
    assert [path.name for path in own.parent.iterdir()] == ["mongod"], "no partial copy is left"


def test_no_mongod_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"Install mongod .* or set MONGODB_URI"):
        choose(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [(BROKEN, "libcrypto.so.3"), ("not a program", "Exec format error"), ("#!/bin/sh\n", "no version")],
)
def test_a_mongod_that_does_not_fit_the_platform_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    install_wheel(tmp_path / "site-packages", monkeypatch, text)
    with pytest.raises(PlatformError, match=reason) as caught:
        choose(tmp_path)
    assert "set MONGODB_URI" in str(caught.value)
