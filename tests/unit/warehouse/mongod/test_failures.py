"""What is said of a mongod that ended. The lines are those of real ones, shortened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twin.warehouse.mongod.binaries import Binary, Version
from twin.warehouse.mongod.failures import CODES, explain

BINARY = Binary(Path("/opt/mongod"), Version(6, 0, 5))
FRAME = (
    '{"s":"I","c":"CONTROL","id":31445,"msg":"Frame","attr":{"frame":{"a":"55D0","s":"_ZN5mongo15printStackTraceEv"}}}'
)
ABORT = [
    json.dumps({"s": "F", "c": "ASSERT", "id": 23092, "msg": "\n\n***aborting after fassert() failure\n\n"}),
    json.dumps({"s": "F", "msg": "Writing fatal message", "attr": {"message": "Got signal: 6 (Aborted).\n"}}),
    *[FRAME] * 60,
]


def error(text: str, **details: object) -> str:
    """An entry of the log."""
    return json.dumps({"s": "E", "c": "STORAGE", "msg": text, "attr": details})


def engine(code: int, text: str) -> str:
    """An entry of the storage engine's."""
    return error("WiredTiger error message", error=code, message={"session_name": "connection", "msg": text})


def told(code: int, *lines: str, data: Path = Path("/home/data")) -> str:
    return explain(code, lines, data=data, binary=BINARY)


def test_a_full_disk_is_told_as_one_though_mongod_shows_stack_frames(tmp_path: Path) -> None:
    full = engine(28, "__posix_file_write: No space left on device")
    message = told(134, full, engine(-31804, "the process must exit: WT_PANIC"), *ABORT, data=tmp_path)
    assert "too little room" in message
    assert "MB are free" in message
    assert "Frame" not in message
    assert "damaged" not in message


SHORT_BSON = {"code": 22, "codeName": "InvalidBSON", "errmsg": "BSON data has to be at least 5 bytes"}


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("WiredTiger.turtle", engine(-31804, "__wt_turtle_read:609:WiredTiger.turtle: fatal turtle file read error")),
        ("collection-0-18.wt", engine(-31802, "__posix_file_read:435:/data/collection-0-18.wt: failed to read 4096")),
        (
            "collection-0-18.wt",
            error("Failed to open a cursor: data corruption?", uri="table:collection-0-18"),
        ),
        ("WiredTigerLog.0000000002", engine(-31809, "log file journal/WiredTigerLog.0000000002 corrupted")),
        ("a file", error("Unable to read the storage engine metadata file", error=SHORT_BSON)),
    ],
)
def test_damage_names_the_file_and_what_to_do(file: str, line: str) -> None:
    message = told(14, line, *ABORT)
    assert f"{file} is damaged" in message
    assert "warehouse repair" in message
    assert "Install mongod" not in message


def test_another_mongod_over_the_folder_is_told_as_one() -> None:
    busy = "DBPathInUse: Unable to lock the lock file: /data/mongod.lock. Another mongod instance is already running"
    assert "another mongod uses this folder" in told(100, error("DBException in initAndListen", error=busy))


def test_what_may_not_be_read_is_told_as_that() -> None:
    denied = error(
        "WiredTiger error message", error=13, message={"msg": "/data/WiredTiger.wt: handle-open: Permission denied"}
    )
    assert "may not use that folder" in told(14, denied, *ABORT)


def test_an_option_that_is_not_known_is_quoted() -> None:
    assert "unrecognised option '--nonsense'" in told(2, "Error parsing command line: unrecognised option '--nonsense'")


def test_a_wrong_release_says_what_mongod_said() -> None:
    message = told(62, error("Wrong mongod version", error="invalid featureCompatibilityVersion document: version 4.4"))
    assert "cannot open this data" in message
    assert "version 4.4" in message
    assert "Install mongod" not in message


def test_every_code_has_words_of_its_own() -> None:
    said = {code: told(code) for code in CODES}
    assert len(set(said.values())) >= len(CODES) - 1, "being stopped is the same by exit code and by signal"
    assert "AVX" in said[132]
    assert "memory" in said[137]
    assert "signal 3" in told(131)
    assert "Its log does not say why" in told(77)
