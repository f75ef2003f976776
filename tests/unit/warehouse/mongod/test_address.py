"""Where mongod's socket lies."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from twin.errors import PlatformError
from twin.warehouse.connection import host_of
from twin.warehouse.mongod.address import is_answered, socket_for, uri_of

LONGEST = 107


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a path so short that a socket fits."""
    return tmp_path_factory.mktemp("s")


@pytest.fixture
def runtime(short: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    return short


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def of_length(root: Path, length: int) -> Path:
    """A folder whose socket has a path of so many bytes."""
    return root / ("x" * (length - len(f"{root}//mongod.sock")))


def test_it_is_beside_the_data_in_a_folder_that_nobody_else_may_enter(short: Path) -> None:
    folder = short / "mongo"
    folder.mkdir(mode=0o755)
    address = socket_for(folder)
    assert address == folder / "mongod.sock" == socket_for(folder)
    assert mode(folder) == 0o700
    assert list(folder.iterdir()) == [], "nothing is left of trying it out"


@pytest.mark.parametrize("more", [0, 1, 100])
def test_a_path_that_is_too_long_gets_a_short_one_in_a_private_folder(short: Path, runtime: Path, more: int) -> None:
    folder = of_length(short, LONGEST + more)
    address = socket_for(folder)
    assert len(os.fsencode(address)) <= LONGEST
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
    if more:
        assert address.parent.parent == runtime
        assert mode(address.parent) == 0o700
        assert socket_for(folder) == address, "it is the same place each time"
        assert socket_for(of_length(short, LONGEST + more + 1)) != address


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_that_cannot_be_closed_to_others_is_no_place_for_it(short: Path, runtime: Path) -> None:
    folder = short / "theirs"
    folder.mkdir()
    os.chown(folder, 54_321, 54_321)
    assert socket_for(folder).parent.parent == runtime


@pytest.mark.usefixtures("runtime")
def test_a_link_that_somebody_has_put_in_its_place_is_not_followed(short: Path, tmp_path: Path) -> None:
    folder = of_length(short, LONGEST + 9)
    private = socket_for(folder).parent
    private.rmdir()
    private.symlink_to(tmp_path)
    with pytest.raises(PlatformError, match="belongs to another user"):
        socket_for(folder)


@pytest.mark.parametrize("path", ["/srv/twin/mongod.sock", "/srv/a twin @ home/?/mongod.sock"])
def test_its_address_is_shown_as_a_path(path: str) -> None:
    assert host_of(uri_of(Path(path))) == path


def test_a_socket_without_a_server_is_not_answered(short: Path) -> None:
    address = short / "mongod.sock"
    assert not is_answered(address)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        server.listen()
        assert is_answered(address)
    assert address.exists()
    assert not is_answered(address), "what a killed server left"
