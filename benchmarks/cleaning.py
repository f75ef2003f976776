"""How fast documents are cleaned, beside the least that any cleaner must do: one pass of Unicode normalisation.

    python benchmarks/cleaning.py [FILE.jsonl | FOLDER]          # by default this project's docs
    python benchmarks/cleaning.py --documents 100000             # memory and time over many small documents

Prints MB of text a second and core, for each step alone and for all of it: cleaning, storing in a real MongoDB, and the
search for near copies. With --documents, made-up documents are brought up to date three times: all are new, none has
changed, and one in a thousand has changed; with the most memory that this process ever held.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from support import handbook

from twin import cleaning, collection
from twin.cleaning import boilerplate, duplicates, refresh
from twin.records import Document, Source, document_id
from twin.settings import SourceSettings, read
from twin.warehouse import Warehouse, mongod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROUNDS = 5
SOURCE = Source(kind="jsonl", location="/made-up.jsonl")
VOCABULARY = [f"{start}{end}" for start in ("ka", "lo", "mi", "ne", "pu", "ra", "so", "ti") for end in "bdfgklmnprstvz"]


def texts(location: str) -> None:
    """Prints a line for each step, the best of `ROUNDS`."""
    items = collection.look(collection.detect(location, "benchmark"), read(SourceSettings))
    documents = [item for item in items if isinstance(item, Document)]
    cleaned = [cleaning.clean(document) for document in documents]
    megabytes = sum(len(document.content.encode()) for document in documents) / 1e6
    print(f"{len(documents)} documents, {megabytes:.2f} MB, from {location}")
    steps: dict[str, Callable[[Document], object]] = {
        "one NFC pass (the floor)": lambda one: unicodedata.normalize("NFC", one.content),
        "find secrets and personal data": lambda one: cleaning.find_personal_data(one.content),
        "find boilerplate": lambda one: boilerplate.without_boilerplate(one.content, title="", author=""),
        "signature for near copies": lambda one: duplicates.signature(one.content),
        "clean, all of the above": cleaning.clean,
    }
    for name, step in steps.items():
        print(f"{name:34} {megabytes / _best(step, documents):10.1f} MB/s")
    print(f"{'clean what is clean':34} {megabytes / _best(cleaning.clean, cleaned):10.1f} MB/s")
    source = collection.detect(location, "benchmark")
    with tempfile.TemporaryDirectory() as folder, mongod.start(Path(folder)) as server:
        seconds = [_refresh_seconds(server.uri, f"round{number}", source, documents) for number in range(ROUNDS)]
    processor, wall = min(seconds)
    rate, by_the_clock = megabytes / processor, megabytes / wall
    print(f"{'clean, store, search near copies':34} {rate:10.1f} MB/s a core ({by_the_clock:.1f} by the clock)")


def many(count: int) -> None:
    """Prints the seconds and the most memory of three refreshes over `count` small documents."""
    print(f"{count} documents of about 400 characters")
    with (
        tempfile.TemporaryDirectory() as folder,
        mongod.start(Path(folder)) as server,
        Warehouse(server.uri, "many", max_vanished_share=1.0) as warehouse,
    ):
        for name, edited in (("all new", None), ("none changed", None), ("1 in 1,000 edited", 1_000)):
            warehouse.documents.observe(SOURCE, _made_up(count, edited), complete=True)
            before, start = _peak_megabytes(), time.perf_counter()
            report = refresh.refresh(warehouse)
            print(
                f"{name:20} {time.perf_counter() - start:8.1f} s, {report.cleaned:7} cleaned, "
                f"{report.compared:7} compared, {_peak_megabytes():6.0f} MB at most ({before:.0f} before)"
            )


def _made_up(count: int, edited: int | None) -> Iterator[Document]:
    """Documents of random words; every `edited`-th has other ones."""
    for number in range(count):
        changed = edited is not None and number % edited == 0
        words = random.Random(f"{number}{changed}").choices(VOCABULARY, k=100)
        url = f"https://made-up.example.org/{number}"
        yield Document(
            id=document_id(url),
            url=url,
            source_id=SOURCE.id,
            author="A",
            title=f"Number {number}",
            content=" ".join(words),
        )


def _refresh_seconds(uri: str, database: str, source: Source, documents: list[Document]) -> tuple[float, float]:
    """Processor seconds of this process, and seconds by the clock, that one refresh takes."""
    with Warehouse(uri, database) as warehouse:
        warehouse.documents.observe(source, documents, complete=True)
        start, clock = time.process_time(), time.perf_counter()
        refresh.refresh(warehouse)
        return time.process_time() - start, time.perf_counter() - clock


def _best(step: Callable[[Document], object], documents: Sequence[Document]) -> float:
    def once() -> float:
        start = time.process_time()
        for document in documents:
            step(document)
        return time.process_time() - start

    return min(once() for _ in range(ROUNDS))


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("location", nargs="?", default=str(handbook()))
    parser.add_argument("--documents", type=int, help="measure over so many made-up documents instead")
    arguments = parser.parse_args()
    if arguments.documents:
        many(arguments.documents)
    else:
        texts(arguments.location)
