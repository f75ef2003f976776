"""The whole stack with a proxy that records and a HOME of its own: nobody is asked for, nothing is left elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import psutil
import pytest

from twin import environment
from twin.home import Home
from twin.processes import Child, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIBRARIES = ("COMET", "OPIK", "ORT", "HF", "DO_NOT", "MPLCONFIGDIR", "TORCH", "LITELLM", "MLFLOW", "SAGEMAKER")


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """A proxy's address, and what it was asked for."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            requests.append(f"{self.command} {self.path}")
            self.send_error(403)

        do_GET = do_POST = do_PUT = do_HEAD = do_CONNECT = refuse  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    server.server_close()


def test_the_whole_stack_asks_nobody_and_leaves_nothing_outside_of_its_home(
    tmp_path: Path, home: Path, asked: tuple[str, list[str]]
) -> None:
    proxy, requests = asked
    user = tmp_path / "user"
    user.mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "ferry.md").write_text(
        "# The ferry\n\n" + "The ferry was mended beside the wharf, and my aunt kept the lantern for it. " * 12
    )
    settings = {
        "HOME": str(user),
        "XDG_CACHE_HOME": str(user / ".cache"),
        "TWIN_HOME": str(home),
        "TWIN_CONFIG": str(tmp_path / "none.yaml"),
        **dict.fromkeys(("TWIN_PORT", "CONSOLE_PORT", "DAGSTER_PORT"), "0"),
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), proxy),
        **dict.fromkeys(("NO_PROXY", "no_proxy", "MONGODB_URI", "QDRANT_URL"), ""),
    }
    unset = [f"--unset={name}" for name in os.environ if name.startswith(LIBRARIES)]  # what this test run has set
    command = ["env", *unset, sys.executable, "-c", "from llm_twin_dagster.cli import app; app()"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        given = {**os.environ, **settings}
        return subprocess.run(
            [*command, *arguments], env=given, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    with Child("up", [*command, "up"], env=settings, cwd=tmp_path) as stack:
        place = Home(home)
        wait_until(lambda: "daemon" in _services(place), what="The stack", timeout=240, child=stack)
        ingested = run("ingest", str(tmp_path / "notes"), "--author", "Nora")
        assert ingested.returncode == 0, ingested.stderr
        assert run("search", "ferry").returncode == 0
        assert run("models", "list").returncode == 0
        assert run("traces").returncode == 0
        run("ask", "what about the ferry?")  # no model is deployed: the twin says so, over HTTP
        state = place.run_state()
        assert state is not None
        for name, service in state.services.items():
            processes = psutil.Process(service.pid).children(recursive=True)
            for process in processes:
                told = process.environ()
                assert {k: told.get(k) for k in environment.TELL_NOBODY} == environment.TELL_NOBODY, name
                assert told["MPLCONFIGDIR"].startswith(str(home)), name
    assert requests == []
    assert [path for path in user.rglob("*") if path.is_file()] == []


def test_who_imports_the_library_is_spared_too(tmp_path: Path) -> None:
    program = "import twin, os, json; print(json.dumps(dict(os.environ)))"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "ORT_DISABLE_TELEMETRY": "0"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(ran.stdout)
    wanted = environment.TELL_NOBODY | {"ORT_DISABLE_TELEMETRY": "0"}  # what the user set stays
    assert {name: told.get(name) for name in wanted} == wanted
    assert told["HF_HOME"] == str(tmp_path / ".twin" / "cache" / "huggingface")


def _services(home: Home) -> set[str]:
    state = home.run_state()
    return set(state.services) if state else set()
