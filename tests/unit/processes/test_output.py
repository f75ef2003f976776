"""A child's output is read to its end, whatever becomes of the lines."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING

from twin.processes import Child, LogFile, wait_until

if TYPE_CHECKING:
    from pathlib import Path

TALKATIVE = [sys.executable, "-c", "for n in range(20_000): print('a line that says its number', n)"]
"""Says ten times more than a pipe holds."""


def test_a_child_whose_listener_fails_goes_on_to_its_end(tmp_path: Path) -> None:
    def gone(_line: str) -> None:
        raise BrokenPipeError

    with Child("talkative", TALKATIVE, log=tmp_path / "log", on_line=gone) as child:
        assert child.wait(timeout=60) == 0
    said = (tmp_path / "log").read_text()
    assert said.splitlines()[-1].endswith("19999")
    assert said.count("BrokenPipeError") == 1, "told once"


def test_a_child_whose_listener_exits_goes_on_to_its_end() -> None:
    def leaves(_line: str) -> None:
        raise SystemExit(1)

    with Child("talkative", TALKATIVE, on_line=leaves) as child:
        assert child.wait(timeout=60) == 0
        assert child.tail[-1].endswith("19999")


def test_a_listener_that_recovers_is_told_again() -> None:
    heard: list[str] = []

    def fails_at_first(line: str) -> None:
        if not line.endswith(" 19999"):
            raise OSError(28, "No space left on device")
        heard.append(line)

    with Child("talkative", TALKATIVE, on_line=fails_at_first) as child:
        child.wait(timeout=60)
    assert len(heard) == 1


def test_a_child_whose_log_cannot_be_written_goes_on_to_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()  # stands for every reason why a file is not to be written
    with Child("talkative", TALKATIVE, log=log) as child:
        assert child.wait(timeout=60) == 0


def test_a_log_goes_on_when_there_is_room_again_and_says_what_is_missing(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log", max_bytes=1_000, kept=1)
    log.path.symlink_to("/dev/full")
    for number in range(3):
        log.write(f"lost {number}")
    log.path.unlink()
    log.write("kept")
    log.write("kept too")
    log.close()
    assert log.path.read_text().splitlines() == [
        "(3 lines are missing here: this file could not be written)",
        "kept",
        "kept too",
    ]


def test_a_log_is_begun_anew_at_its_limit_and_so_many_old_ones_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("of an earlier version, without a limit\n" * 100)
    with contextlib.closing(LogFile(path, max_bytes=100, kept=2)) as log:
        for number in range(30):
            log.write(f"line {number:03}")
    files = {file.name: file.read_text().splitlines() for file in tmp_path.iterdir()}
    kept = [*files["log.2"], *files["log.1"], *files["log"]]
    assert len(files) == 3
    assert kept == [f"line {number:03}" for number in range(30 - len(kept), 30)]
    assert len(kept) > 20
    assert all(len("\n".join(lines)) <= 100 for lines in files.values())


def test_the_tail_can_be_read_while_it_is_written() -> None:
    faults: list[BaseException] = []
    with Child("talkative", [sys.executable, "-c", "while True: print('again')"]) as child:
        wait_until(lambda: bool(child.tail), what="the first line", timeout=30, child=child)

        def read() -> None:
            try:
                for _ in range(2_000):
                    assert all(line == "again" for line in child.tail)
                    child.last_lines()
            except BaseException as error:  # noqa: BLE001  the thread's faults are the test's
                faults.append(error)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    assert faults == []


def test_output_without_an_end_of_line_does_not_grow_in_memory() -> None:
    with Child("endless line", [sys.executable, "-c", "print('x' * 1_000_000, end='')"]) as child:
        child.wait(timeout=60)
        assert max(len(line) for line in child.tail) <= 64 * 1024
        assert sum(len(line) for line in child.tail) == 1_000_000
