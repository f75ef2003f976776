"""Who may enter a home, and a user whom the machine does not know by name."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from twin import users
from twin.errors import PlatformError
from twin.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterator

STRANGER = 54_321
"""A number that no user has."""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a program as another user")


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may enter, and so may what holds it."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def by_a_stranger(imports: str, program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a program under a number that has no name, without HOME; Python itself may be in root's own folder."""
    become = f"import os; os.setgroups([]); os.setgid({STRANGER}); os.setuid({STRANGER})"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    command = [sys.executable, "-c", "; ".join((imports, become, program))]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)


def test_a_new_home_and_one_that_was_open_are_closed_with_all_that_is_in_them(public: Path) -> None:
    home = Home(public / "new" / "home")
    home.keep_out_others()
    assert mode(home.root) == 0o700
    for path in (home.mongo, home.logs):
        path.mkdir(mode=0o755)
    home.root.chmod(0o755)
    (home.root / "run.json").write_text("{}")
    home.keep_out_others()
    assert [mode(path) for path in (home.root, home.mongo, home.logs, home.root / "run.json")] == [0o700] * 3 + [0o600]


def test_a_folder_that_others_use_too_stays_open_and_only_our_parts_are_closed(
    public: Path, caplog: pytest.LogCaptureFixture
) -> None:
    public.chmod(0o1777)
    theirs = public / "theirs"
    theirs.mkdir(mode=0o755)
    home = Home(public)
    home.mongo.mkdir(mode=0o755)
    home.keep_out_others()
    assert [mode(path) for path in (public, theirs, home.mongo)] == [0o1777, 0o755, 0o700]
    assert "used for other things too" in caplog.text


def test_a_link_is_not_followed(public: Path) -> None:
    elsewhere = public / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    home = Home(public / "home")
    home.root.mkdir()
    home.artifacts.symlink_to(elsewhere)
    home.keep_out_others()
    assert mode(elsewhere) == 0o755


def test_a_home_that_cannot_be_made_says_so(public: Path) -> None:
    (public / "file").write_text("")
    with pytest.raises(PlatformError, match=r"TWIN_HOME=.*/file/home cannot be used: Not a directory"):
        Home(public / "file" / "home").keep_out_others()


@as_root
def test_nobody_else_reads_a_home(public: Path) -> None:
    home = Home(public / "home")
    home.keep_out_others()
    home.reviewer_token()
    tried = by_a_stranger("import os", f"print(os.listdir({str(home.root)!r}))")
    assert "PermissionError" in tried.stderr


@as_root
def test_somebody_elses_home_is_told_as_one(public: Path) -> None:
    Home(public / "home").keep_out_others()
    tried = by_a_stranger(
        "import sys; from llm_twin_dagster.cli import app",
        "sys.argv = ['llm-twin', 'sources', 'list']; app()",
        TWIN_HOME=str(public / "home"),
    )
    assert tried.returncode == 1, tried.stderr
    assert "Traceback" not in tried.stderr
    assert "TWIN_HOME to a folder of your own" in tried.stderr


@as_root
def test_a_user_without_a_name_gets_one_for_libraries_and_none_for_decisions() -> None:
    told = by_a_stranger(
        "import getpass; from pathlib import Path; from twin import users",
        "print(users.name()); users.stand_in(Path('/home/of/twin'));"
        "print(users.name(), getpass.getuser(), Path.home())",
    )
    assert told.stdout.split() == ["None", "None", f"user-{STRANGER}", "/home/of/twin"], told.stderr


def test_a_user_with_a_name_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    users.stand_in(Path("/home/of/twin"))
    assert users.name() == os.environ["LOGNAME"] == "ada"


def test_a_number_is_told_as_a_number() -> None:
    assert users.called(STRANGER) == f"user number {STRANGER}"
