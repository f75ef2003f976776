"""Drift on made-up traffic: how often there is a false alarm, how soon a shift is found, and how fast a report is.

    python benchmarks/drift.py [--windows 1000] [--interactions 1000000]

The report is made by the real code over a real MongoDB. A shift is found at the first window, of hourly ones that go on
by 50 requests, in which the questions have drifted; requests count from the first one that is about something new.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
from support import save, table
from support.traffic import BEGAN, Traffic

from twin.artifacts import ArtifactStore
from twin.monitoring.drift import Window, compare, reading
from twin.settings import DriftSettings
from twin.warehouse import Warehouse, mongod

REFERENCE, WINDOW, STEP = 1_000, 500, 50
SHIFTS = (0.2, 0.5, 1.0)
SEEDS = 10
BATCH = 10_000


def window_of(rows: list[dict]) -> Window:
    found = Window.of(rows, {})
    assert found is not None
    return found


def false_alarms(windows: int) -> dict[str, float]:
    """Of windows without drift: the share that says drift, and that says it of questions."""
    alarms = questions = 0
    for number in range(windows):
        if number % 100 == 0:  # another twin, with other topics
            traffic = Traffic(number)
            reference = window_of(list(traffic.rows(REFERENCE)))
        report = compare("1.0.0", reference, window_of(list(traffic.rows(WINDOW, after=REFERENCE))), at=BEGAN)
        alarms += bool(report.drifted)
        questions += any(row.figure == "questions" for row in report.drifted)
    return {"windows": windows, "any figure": alarms / windows, "questions": questions / windows}


def found_after(shift: float, seed: int) -> int | None:
    """Requests after the shift until the questions have drifted; None within two windows."""
    traffic = Traffic(seed)
    reference = window_of(list(traffic.rows(REFERENCE)))
    rows = list(traffic.rows(WINDOW, after=REFERENCE))
    for step in range(1, 2 * WINDOW // STEP + 1):
        rows += traffic.rows(STEP, shifted=shift, after=REFERENCE + len(rows))
        report = compare("1.0.0", reference, window_of(rows[-WINDOW:]), at=BEGAN)
        if any(row.figure == "questions" for row in report.drifted):
            return step * STEP
    return None


def large(interactions: int) -> dict[str, float]:
    """Seconds and memory of a report over so many stored interactions."""
    with tempfile.TemporaryDirectory() as folder, mongod.start(Path(folder, "mongo")) as running:
        warehouse, traffic = Warehouse(running.uri, "drift"), Traffic(0)
        rows = list(traffic.rows(BATCH))
        collection = warehouse._connection.database["interactions"]
        warehouse._connection.ensure_indexes()
        text = "A passage of a document that somebody wrote, as it was shown to the model. " * 8
        for start in range(0, interactions, BATCH):
            collection.insert_many(
                [
                    {
                        **{name: value for name, value in row.items() if name != "length"},
                        "_id": f"{start}-{number}",
                        "created_at": BEGAN + timedelta(seconds=start + number),
                        "model_version": "1.0.0",
                        "answer": text,
                        "passages": [{"text": text}] * 2,
                    }
                    for number, row in enumerate(rows)
                ],
                ordered=False,
            )
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        now = BEGAN + timedelta(seconds=interactions)
        store = ArtifactStore(str(Path(folder, "artifacts")))
        report = reading.make(warehouse, store, DriftSettings(), now)
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert report.state == "compared", report.state
        return {
            "interactions": interactions,
            "requests compared": report.requests,
            "seconds": round(seconds, 2),
            "MB more than before": round((after - before) / 1024, 1),
            "MB at most": round(after / 1024, 1),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=1_000)
    parser.add_argument("--interactions", type=int, default=1_000_000)
    given = parser.parse_args()
    false = false_alarms(given.windows)
    found = [_shift_row(shift) for shift in SHIFTS]
    size = large(given.interactions) if given.interactions else {}
    rows = [[name, value] for part in (false, size) for name, value in part.items()]
    shown = table(["figure", "value"], rows)
    shown += "\n\n" + table(["share of new topics", "found", "requests until then, median", "at most"], found)
    print(save("drift", {"false_alarms": false, "found": found, "report": size}, shown))


def _shift_row(shift: float) -> list[object]:
    after = [found_after(shift, seed) for seed in range(SEEDS)]
    known = [value for value in after if value is not None]
    middle = float(np.median(known)) if known else "-"
    return [f"{shift:.0%}", f"{len(known)} of {SEEDS}", middle, max(known, default="-")]


if __name__ == "__main__":
    main()
