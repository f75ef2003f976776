"""The child process: a file on standard input, an `Answer` on standard output."""

from __future__ import annotations

import os
import resource
import sys
from importlib import import_module

import msgspec

from twin.collection.pages.extraction import Answer, Problem
from twin.errors import CollectionError, SourceRefused

MEMORY = 2_000_000_000
CANNOT = "it cannot be read: {}. Save it anew, or export it as text"


def main() -> None:
    """Reads one file within the limits."""
    name, seconds = sys.argv[1], int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not become part of the answer
    reader = import_module(f"twin.collection.pages.extraction.{name}")
    try:
        answer = Answer(extracted=reader.read(sys.stdin.buffer.read()))
    except CollectionError as error:
        answer = Answer(problem=Problem(reason=error.message, refused=isinstance(error, SourceRefused)))
    except Exception as error:  # noqa: BLE001 (whatever a library raises over a damaged file)
        answer = Answer(problem=Problem(reason=CANNOT.format(f"{type(error).__name__}: {error}"[:300]), refused=False))
    answers.write(msgspec.msgpack.encode(answer))
    answers.flush()
    os._exit(0)  # the libraries' clean-up of a damaged file may hang


main()
