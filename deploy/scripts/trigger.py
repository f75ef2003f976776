"""Starts a job on a running twin, waits until it has ended, and reports what it did. Needs nothing but Python.

    TWIN_URL=https://twin.example TWIN_TRIGGER_KEY=... trigger.py ingest

The key is the app's own (TWIN_TRIGGER_KEY). The same Idempotency-Key never starts a job twice; on GitHub it is
the run's own id, so that a job which is run again by hand asks after what it started. In a workflow the report goes
into the job's summary too. Exit status: 0 the job succeeded, 1 it did not, 2 it could not be started or asked about.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

POLL_SECONDS = float(os.environ.get("TRIGGER_POLL_SECONDS", "15"))
WAIT_SECONDS = float(os.environ.get("TRIGGER_WAIT_SECONDS", "14400"))
REQUEST_SECONDS = 30.0
TRIES = 5
ENDED = {"SUCCESS": 0, "FAILURE": 1, "CANCELED": 1}
TRANSIENT = {429, 502, 503, 504}


class Unusable(Exception):
    """The twin cannot be asked, or says no; the message is for the person who reads the job's log."""


def main() -> int:
    if len(sys.argv) != 2 or not sys.argv[1]:
        raise Unusable("Name the job: make trigger JOB=ingest")
    twin, job = Twin(os.environ.get("TWIN_URL", ""), os.environ.get("TWIN_TRIGGER_KEY", "")), sys.argv[1]
    run = twin.start(job, os.environ.get("TRIGGER_ARGUMENTS") or "{}")
    print(f"{job}: run {run['run']} {run.get('link') or ''}".rstrip(), flush=True)
    ended = twin.wait(run["run"])
    report = table(job, ended)
    print(report)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(report + "\n")
    return ENDED[ended["status"]]


class Twin:
    """The part of a twin's API that starts jobs and tells how they ended."""

    def __init__(self, url: str, key: str) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unusable("TWIN_URL is not set to the twin's address, such as https://twin.example.")
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise Unusable(f"{url} is not encrypted; the key is sent to https addresses only.")
        if not key:
            raise Unusable("TWIN_TRIGGER_KEY is not set: it is what the twin has as such, or in TWIN_HOME/trigger-key.")
        self._url, self._key = url.rstrip("/"), key

    def start(self, job: str, arguments: str) -> dict[str, Any]:
        try:
            body = json.loads(arguments)
        except ValueError as error:
            raise Unusable(f"TRIGGER_ARGUMENTS is not JSON: {error}") from None
        once = "-".join(["trigger", os.environ.get("GITHUB_RUN_ID") or str(time.time_ns()), job])
        answer = self._ask("POST", f"/triggers/{urllib.parse.quote(job, safe='')}", body, {"Idempotency-Key": once})
        if not answer.get("run"):
            raise Unusable(f"The twin did not say which run it started: {answer}")
        return answer

    def wait(self, run: str) -> dict[str, Any]:
        """How a run ended."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            state = self._ask("GET", f"/triggers/{urllib.parse.quote(run, safe='')}")
            if state.get("status") in ENDED:
                return state
            if time.monotonic() > deadline:
                raise Unusable(f"Run {run} is still {state.get('status')} after {WAIT_SECONDS:.0f} s; it goes on.")
            time.sleep(POLL_SECONDS)

    def _ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json", **(headers or {})},
        )
        for attempt in range(1, TRIES + 1):
            try:
                with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:  # noqa: S310
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                said = error.read(2000).decode("utf-8", "replace")
                if error.code not in TRANSIENT or attempt == TRIES:
                    raise Unusable(f"{method} {path}: {error.code} {said}") from None
                pause = _seconds(error.headers.get("Retry-After")) or POLL_SECONDS
            except (OSError, ValueError) as error:
                if attempt == TRIES:
                    raise Unusable(f"{method} {self._url}{path} was not answered: {error}") from None
                pause = POLL_SECONDS
            time.sleep(pause)
        raise AssertionError("unreachable")


def table(job: str, ended: dict[str, Any]) -> str:
    """How a run ended, in Markdown: a line on the run, and a row for each figure."""
    run = f"[{ended.get('run', '')}]({ended['link']})" if ended.get("link") else str(ended.get("run", ""))
    lines = [f"### {job}: {ended['status']}", "", f"Run {run}"]
    if ended.get("message"):
        lines += ["", str(ended["message"])]
    if figures := ended.get("figures"):
        lines += ["", "| what | figure |", "|---|---|", *(f"| {cell(k)} | {cell(v)} |" for k, v in figures.items())]
    return "\n".join(lines)


def cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _seconds(value: str | None) -> float | None:
    return min(float(value), 300.0) if value and value.isdecimal() else None


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unusable as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
