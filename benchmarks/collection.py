"""How fast the warehouse is brought in step with its sources, and in how much memory.

    python benchmarks/collection.py [--articles 1000] [--documents 100000]

A thousand articles of 10 kB lie on twenty hosts of this machine, served by another process. The first run brings them
in, the second finds nothing changed, and so does a third without the pauses that politeness asks for: what is left is
the platform's own. Beside them, in the same process: the same URLs fetched one after another by bare httpx, and the
extraction of the same pages without any network or database, which is the work itself. Then a hundred thousand small
documents are compared with what is held: time, and what the memory grows by from a tenth of them.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import threading
import time
import tracemalloc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
from support import save, table
from support.articles import articles, page, serving

from twin.cleaning import refresh
from twin.collection import ingestion
from twin.collection.pages import webpage
from twin.records import Document, Source, document_id
from twin.settings import SourceSettings, read
from twin.warehouse import Warehouse, mongod

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from twin.warehouse import IngestReport

EXPORT = Source(kind="jsonl", location="/export.jsonl", author="Ada")
RUNS = {"first": "first run", "second": "second run", "hasty": "the same, without pauses between requests"}
MB = 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=1_000)
    parser.add_argument("--documents", type=int, default=100_000)
    options = parser.parse_args()
    os.environ["COLLECTION_ALLOW_PRIVATE_ADDRESSES"] = "true"
    with tempfile.TemporaryDirectory() as folder, mongod.start(Path(folder)) as running:
        with Warehouse(running.uri, "articles") as warehouse:
            web = measure_articles(warehouse, options.articles)
        with Warehouse(running.uri, "documents") as warehouse:
            many = measure_documents(warehouse, options.documents)
    print(save("collection", {"articles": web, "documents": many}, f"{web_table(web)}\n\n{many_table(many)}"))


def measure_articles(warehouse: Warehouse, count: int) -> dict[str, Any]:
    """Two runs over the articles, and what the same pages cost without this project."""
    settings = read(SourceSettings)
    webpage.read(page(0), None)  # loads the extraction library, which every run needs once
    with serving() as ports:
        urls = articles(count, ports)
        sources = [Source(kind="article", location=url) for url in urls]
        bare = _seconds(lambda: _get_all(urls))[1]
        runs = {name: _run(sources, warehouse, settings) for name in ("first", "second")}
        hasty = settings.model_copy(update={"host_delay_min_seconds": 0.0, "host_delay_factor": 0.0})
        runs["hasty"] = _run(sources, warehouse, hasty)
    pages = [page(number) for number in range(count)]
    extraction = _seconds(lambda: [webpage.read(html, None) for html in pages])[1]
    return {
        "articles": count,
        "load_average": os.getloadavg()[0],
        **runs,
        "bare_sequential_get_s": bare,
        "bare_extraction_s": extraction,
        "first_to_get_and_extraction": runs["first"]["seconds"] / (bare + extraction),
        "second_to_get": runs["second"]["seconds"] / bare,
        "hasty_to_get": runs["hasty"]["seconds"] / bare,
    }


def _run(sources: list[Source], warehouse: Warehouse, settings: SourceSettings) -> dict[str, Any]:
    process = time.process_time()
    with _memory() as memory:
        report, seconds = _seconds(lambda: ingestion.ingest(sources, warehouse, settings))
    return {
        "seconds": seconds,
        "cpu_s": time.process_time() - process,
        "counts": report.counts,
        "written": report.added + report.changed + report.removed,
        "rss_growth_mb": memory["growth"],
        "rss_growth_after_half_mb": memory["late_growth"],
    }


def _get_all(urls: list[str]) -> None:
    with httpx.Client() as client:
        for url in urls:
            client.get(url).raise_for_status()


@contextmanager
def _memory() -> Generator[dict[str, float]]:
    """How much the resident memory grows within the block in all, and in its second half, in MB."""
    gc.collect()
    process = psutil.Process()
    samples = [process.memory_info().rss]
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(0.1):
            samples.append(process.memory_info().rss)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    told: dict[str, float] = {}
    try:
        yield told
    finally:
        ended.set()
        thread.join()
        half = len(samples) // 2
        told["growth"] = (max(samples) - samples[0]) / MB
        told["late_growth"] = (max(samples[half:]) - max(samples[: half + 1])) / MB


def measure_documents(warehouse: Warehouse, count: int) -> dict[str, Any]:
    """Comparing many small documents, and a tenth of them, with what is held."""
    raw = warehouse.documents
    added, seconds = _seconds(lambda: raw.observe(EXPORT, _shown(count), complete=True))
    tenth = _comparison(lambda: raw.observe(EXPORT, _shown(count // 10), complete=False))
    whole = _comparison(lambda: raw.observe(EXPORT, _shown(count), complete=True))
    streams = _comparison(
        lambda: sum(1 for _ in refresh.differences(raw.fingerprint_stream(), raw.fingerprint_stream()))
    )
    loaded = _comparison(lambda: len(raw.fingerprints()))
    return {
        "documents": count,
        "added": added.added,
        "adding_s": seconds,
        "tenth": tenth,
        "whole": whole,
        "growth_mb": whole["peak_mb"] - tenth["peak_mb"],
        "two_streams": streams,
        "loaded_into_a_dict": loaded,
    }


def _shown(count: int) -> Iterator[Document]:
    for number in range(count):
        url = f"https://a.example/{number}"
        yield Document(
            id=document_id(url), url=url, source_id=EXPORT.id, author="Ada", title=f"Note {number}", content="Words."
        )


def _comparison(work: Callable[[], IngestReport | int]) -> dict[str, float]:
    """Seconds, and in a second go the peak of Python's objects in MB, as tracing them takes time."""
    _, seconds = _seconds(work)
    gc.collect()
    tracemalloc.start(1)
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"seconds": seconds, "peak_mb": peak / MB}


def _seconds(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    value = work()
    return value, time.perf_counter() - started


def web_table(result: dict[str, Any]) -> str:
    runs = [
        [
            told,
            f"{result[name]['seconds']:.1f}",
            f"{result[name]['cpu_s']:.1f}",
            result[name]["written"],
            f"{result[name]['rss_growth_mb']:.0f}",
            f"{result[name]['rss_growth_after_half_mb']:.0f}",
        ]
        for name, told in RUNS.items()
    ]
    floor = [
        ["bare GETs, one after another", f"{result['bare_sequential_get_s']:.1f}", "", "", "", ""],
        ["bare extraction", f"{result['bare_extraction_s']:.1f}", "", "", "", ""],
    ]
    columns = ["what", "seconds", "CPU s", "documents written", "memory grows, MB", "in its second half, MB"]
    return (
        f"{result['articles']:,} articles of 10 kB on 20 hosts, at a load of {result['load_average']:.1f}. First run / "
        f"(GETs + extraction): {result['first_to_get_and_extraction']:.2f}; second run / GETs: "
        f"{result['second_to_get']:.2f}, without pauses {result['hasty_to_get']:.2f}.\n\n"
        + table(columns, [*runs, *floor])
    )


def many_table(result: dict[str, Any]) -> str:
    named = {
        f"a tenth, {result['documents'] // 10:,}": result["tenth"],
        f"all, {result['documents']:,}": result["whole"],
        "two streams of ids and hashes": result["two_streams"],
        "(all ids and hashes in a dict)": result["loaded_into_a_dict"],
    }
    rows = [[name, f"{one['seconds']:.1f}", f"{one['peak_mb']:.1f}"] for name, one in named.items()]
    return (
        f"Small documents compared with what is held; adding them took {result['adding_s']:.1f} s. From a tenth to "
        f"all, the peak grows by {result['growth_mb']:.1f} MB.\n\n" + table(["what", "seconds", "peak MB"], rows)
    )


if __name__ == "__main__":
    main()
