"""How fast documents are cleaned, beside the least that any cleaner must do: one pass of Unicode normalisation.

Run: `python benchmarks/cleaning.py [FILE.jsonl | FOLDER]` (default: this project's docs). Prints MB of text a second.
"""

from __future__ import annotations

import sys
import time
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from twin import cleaning, collection
from twin.records import Document
from twin.settings import SourceSettings, read

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5


def main(location: str) -> None:
    """Prints a line for each step, the best of `ROUNDS`."""
    items = collection.look(collection.detect(location, "benchmark"), read(SourceSettings))
    documents = [item for item in items if isinstance(item, Document)]
    cleaned = [cleaning.clean(document) for document in documents]
    megabytes = sum(len(document.content.encode()) for document in documents) / 1e6
    print(f"{len(documents)} documents, {megabytes:.2f} MB, from {location}")

    steps: dict[str, Callable[[], object]] = {
        "one NFC pass (the floor)": lambda: [unicodedata.normalize("NFC", one.content) for one in documents],
        "find personal data": lambda: [cleaning.find_personal_data(one.content) for one in documents],
        "clean": lambda: [cleaning.clean(one) for one in documents],
        "clean what is clean": lambda: [cleaning.clean(one) for one in cleaned],
    }
    for name, step in steps.items():
        seconds = min(_cpu_seconds(step) for _ in range(ROUNDS))
        print(f"{name:28} {megabytes / seconds:10.1f} MB/s")


def _cpu_seconds(step: Callable[[], object]) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parents[1] / "docs"))
