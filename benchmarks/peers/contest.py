"""What every contestant does the same way: take commands as JSON lines, time them, answer as JSON lines.

Only the standard library, because each contestant runs in an environment of its own.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypedDict

__all__ = ["CHUNK_WORDS", "DEPTH", "Row", "Stack", "serve"]

DEPTH = 10
"""Passages asked for with each question."""
CHUNK_WORDS = 150
"""About the longest passage that all-MiniLM-L6-v2 reads whole (256 tokens); longer ones would be cut off unseen."""


class Row(TypedDict):
    """One raw document."""

    id: str
    url: str
    title: str
    author: str
    content: str


class Stack(Protocol):
    """A framework with its store, over one folder that outlives the process."""

    def load(self) -> None:
        """Everything that a first answer needs, models included."""
        ...

    def ingest(self, rows: list[Row]) -> int:
        """Brings the store in step with the documents; returns how many passages it then holds."""
        ...

    def search(self, question: str) -> list[str]:
        """The ids of the documents of the `DEPTH` best passages, best first."""
        ...

    def forget(self) -> None:
        """Lets go of the answers to earlier questions: the benchmark asks some of them again."""
        ...

    def close(self) -> None:
        """Writes what is not written yet."""
        ...


def serve(stack: Stack) -> None:
    """Runs commands from standard input until it ends. Whatever a library prints goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        command = json.loads(line)
        answers.write(json.dumps(_run(stack, command)) + "\n")
        answers.flush()
    stack.close()


def _run(stack: Stack, command: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    stack.forget()
    started = time.perf_counter()
    match command["do"]:
        case "load":
            stack.load()
        case "ingest":
            rows = [json.loads(row) for row in Path(command["file"]).read_text("utf-8").splitlines()]
            answer["passages"] = stack.ingest(rows)
        case "search":
            answer["ms"], answer["found"] = _search_one_by_one(stack, command["questions"])
        case "search_at_once":
            answer["ms"] = _search_at_once(stack, command["questions"], command["clients"])
        case name:
            answer["value"] = getattr(stack, name)(*command.get("arguments", []))
    answer["seconds"] = time.perf_counter() - started
    answer["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return answer


def _search_one_by_one(stack: Stack, questions: list[str]) -> tuple[list[float], list[list[str]]]:
    times, found = [], []
    for question in questions:
        started = time.perf_counter()
        found.append(stack.search(question))
        times.append((time.perf_counter() - started) * 1e3)
    return times, found


def _search_at_once(stack: Stack, questions: list[str], clients: int) -> list[float]:
    def one(question: str) -> float:
        started = time.perf_counter()
        stack.search(question)
        return (time.perf_counter() - started) * 1e3

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(one, questions))
