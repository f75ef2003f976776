"""The program of continuous training, against a server that answers as the twin does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.deploy.workflows import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = PROJECT / "deploy" / "scripts" / "trigger.py"


class Twin(ThreadingHTTPServer):
    """Starts a run for whoever has the key, is busy once, and says at the second question that the run has ended."""

    status = "SUCCESS"
    seen: list[tuple[str, str, dict[str, str], Any]]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    @property
    def twin(self) -> Twin:
        assert isinstance(self.server, Twin)
        return self.server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._note(body)
        if self.headers["Authorization"] != "Bearer right":
            self._answer(403, {"detail": "this key may not trigger"})
        elif len(self.twin.seen) == 1:
            self._answer(503, {"detail": "busy"}, retry="0")
        else:
            self._answer(202, {"run": "r1", "link": "https://dagster.example/runs/r1"})

    def do_GET(self) -> None:
        self._note(None)
        first = sum(method == "GET" for method, *_ in self.twin.seen) == 1
        figures = {"documents added": 3, "a|b": "c"}
        ended = {
            "run": "r1",
            "status": self.twin.status,
            "link": "https://dagster.example/runs/r1",
            "figures": figures,
        }
        self._answer(200, {"run": "r1", "status": "STARTED"} if first else ended)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def _note(self, body: Any) -> None:
        self.twin.seen.append((self.command, self.path, dict(self.headers), body))

    def _answer(self, status: int, content: dict[str, Any], retry: str = "") -> None:
        self.send_response(status)
        if retry:
            self.send_header("Retry-After", retry)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())


@pytest.fixture
def twin() -> Iterator[Twin]:
    with Twin() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def trigger(job: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "TRIGGER_POLL_SECONDS": "0.01", "GITHUB_RUN_ID": "7", **variables}
    return subprocess.run(
        [sys.executable, str(PROGRAM), job], env=environment, capture_output=True, text=True, timeout=30, check=False
    )


def test_a_job_is_started_once_waited_for_and_reported(twin: Twin, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    done = trigger(
        "ingest",
        TWIN_URL=twin.url,
        TWIN_TRIGGER_KEY="right",
        TRIGGER_ARGUMENTS='{"location": "https://example.org/feed"}',
        GITHUB_STEP_SUMMARY=str(summary),
    )
    assert (done.returncode, done.stderr) == (0, "")
    asked = [(method, path) for method, path, *_ in twin.seen]
    assert asked == [("POST", "/triggers/ingest"), ("POST", "/triggers/ingest"), *[("GET", "/triggers/r1")] * 2]
    assert {headers["Idempotency-Key"] for method, _, headers, _ in twin.seen if method == "POST"} == {
        "trigger-7-ingest"
    }
    assert twin.seen[0][3] == {"location": "https://example.org/feed"}
    assert "### ingest: SUCCESS" in summary.read_text()
    assert "| documents added | 3 |\n| a\\|b | c |" in summary.read_text()


def test_a_job_that_fails_fails_the_workflow(twin: Twin) -> None:
    twin.status = "FAILURE"
    done = trigger("train", TWIN_URL=twin.url, TWIN_TRIGGER_KEY="right")
    assert done.returncode == 1
    assert "### train: FAILURE" in done.stdout


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"TWIN_TRIGGER_KEY": "wrong"}, "this key may not trigger"),
        ({"TWIN_TRIGGER_KEY": ""}, "TWIN_HOME/trigger-key"),
        ({"TWIN_URL": ""}, "TWIN_URL is not set"),
        ({"TWIN_URL": "http://twin.example"}, "not encrypted"),
        ({"TRIGGER_ARGUMENTS": "{"}, "not JSON"),
        ({"TWIN_URL": "http://127.0.0.1:9"}, "was not answered"),
    ],
)
def test_what_cannot_be_started_says_why(twin: Twin, variables: dict[str, str], said: str) -> None:
    done = trigger("ingest", **{"TWIN_URL": twin.url, "TWIN_TRIGGER_KEY": "right", **variables})
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
