"""Text out of PDF and DOCX files. The files are not trusted and the readers are large, so each file is read in a child
process of its own, with a limit on its time and memory."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime  # noqa: TC003 (msgspec reads it at run time)
from typing import Literal

import msgspec

from twin.errors import SourceFailed, SourceRefused

__all__ = ["ENDINGS", "Extracted", "Problem", "extract"]

Format = Literal["pdf", "docx"]
ENDINGS: dict[str, Format] = {".pdf": "pdf", ".docx": "docx"}
SECONDS_PER_MEGABYTE = 6
"""A real file takes under one; see benchmarks/pdf_text.py."""
LEAST_SECONDS = 30


class Extracted(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says."""

    content: str
    """Markdown."""
    title: str | None = None
    author: str | None = None
    created_at: datetime | None = None
    language: str | None = None


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a file gives no text, as the child process tells it."""

    reason: str
    refused: bool


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the child process writes: one of the two."""

    extracted: Extracted | None = None
    problem: Problem | None = None


def extract(data: bytes, format: Format) -> Extracted:
    """The text of a file as markdown, with what its metadata says.

    Raises:
        SourceRefused: It is encrypted, or a scan without text.
        SourceFailed: It is damaged, or took too long or too much memory.
    """
    seconds = LEAST_SECONDS + SECONDS_PER_MEGABYTE * len(data) // 1_000_000
    try:
        child = subprocess.run(
            [sys.executable, "-m", "twin.collection.pages.extraction", format, str(seconds)],
            input=data,
            capture_output=True,
            timeout=seconds * 2,  # the child limits its own processor time; this is for one that waits
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SourceFailed(f"reading it as {format.upper()} took more than {seconds * 2} s") from None
    try:
        answer = msgspec.msgpack.decode(child.stdout, type=Answer)
    except msgspec.MsgspecError:
        raise SourceFailed(
            f"it cannot be read as {format.upper()}: the reader ended with code {child.returncode} "
            f"(it may take {seconds} s and 2 GB). Save it anew, or export it as text"
        ) from None
    if answer.problem:
        raise (SourceRefused if answer.problem.refused else SourceFailed)(answer.problem.reason)
    if answer.extracted is None:
        raise SourceFailed(f"the {format.upper()} reader said nothing")
    return answer.extracted
