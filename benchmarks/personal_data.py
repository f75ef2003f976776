"""How much of the secrets and personal data in a text is found, how much of what is found is none, and how fast.

    python benchmarks/personal_data.py [--misses] [FILE.jsonl | FOLDER]

The labelled set is in support/labelled.py: templates of prose, logs, code and configuration, filled with values that
are made up at run time. Half of it was written before the finders and used to improve them; the other half afterwards.
Beside ours: the detectors of detect-secrets, and presidio's pattern recognisers where presidio is installed
(`pip install presidio-analyzer`, no model). Speed is measured on the texts named, by default on this project's docs.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from importlib import import_module, util
from pkgutil import iter_modules
from typing import TYPE_CHECKING, NamedTuple

from support import handbook
from support.labelled import HELD_OUT, HELD_OUT_NEGATIVES, NEGATIVES, POSITIVES, Sample, samples

from twin import cleaning, collection
from twin.records import Document
from twin.settings import SourceSettings, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MIN_COVERED = 0.9
"""Of the characters of a value that have to be found: a key of which a tenth is left is of no use to anyone."""
MAX_TOO_MUCH = 20
"""Characters around a value that may be found with it, beyond as many as it has."""


class Score(NamedTuple):
    """Values that were found of those that there are, and findings that are none of those made, by kind."""

    found: Counter[str]
    total: Counter[str]
    wrong: Counter[str]
    made: Counter[str]
    misses: list[str]

    @property
    def recall(self) -> float:
        return self.found.total() / max(1, self.total.total())

    @property
    def precision(self) -> float:
        return 1 - self.wrong.total() / max(1, self.made.total())


def main(location: str, show_misses: bool) -> None:
    """Prints a table for each half of the set, and the speeds."""
    halves = {
        "used to improve the finders": samples((*POSITIVES, *NEGATIVES)),
        "held out": samples((*HELD_OUT, *HELD_OUT_NEGATIVES), seed=1),
    }
    contestants = dict(_contestants())
    for name, half in halves.items():
        count = sum(len(sample.spans) for sample in half)
        without = sum(not sample.spans for sample in half)
        print(f"\n{name}: {count} values in {len(half)} texts, {without} of which have none")
        for contestant, find in contestants.items():
            _print_score(contestant, score(find, half), show_misses and contestant == "ours")
    items = collection.look(collection.detect(location, "benchmark"), read(SourceSettings))
    texts = [item.content for item in items if isinstance(item, Document)]
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"\n{len(texts)} texts, {megabytes:.2f} MB, from {location}")
    for contestant, find in contestants.items():
        some = texts if contestant == "ours" else texts[:20]
        share = sum(map(len, some)) / sum(map(len, texts))
        list(find(texts[0]))
        seconds = min(_cpu_seconds(find, some) for _ in range(2))
        print(f"  {contestant:34} {megabytes * share / seconds:8.2f} MB/s a core")


def score(find: Callable[[str], Iterable[tuple[str, int, int]]], half: Iterable[Sample]) -> Score:
    """How a finder does on a labelled set."""
    result = Score(Counter(), Counter(), Counter(), Counter(), [])
    for sample in half:
        findings = list(find(sample.text))
        covered = {place for _, start, end in findings for place in range(start, end)}
        for kind, start, end in sample.spans:
            result.total[kind] += 1
            if sum(place in covered for place in range(start, end)) >= MIN_COVERED * (end - start):
                result.found[kind] += 1
            else:
                result.misses.append(f"missed {kind}: {sample.text[:90]!r}")
        for kind, start, end in findings:
            result.made[kind] += 1
            if not any(
                start < last and first < end and end - start <= 2 * (last - first) + MAX_TOO_MUCH
                for _, first, last in sample.spans
            ):
                result.wrong[kind] += 1
                result.misses.append(f"wrong {kind}: {sample.text[:90]!r}")
    return result


def _print_score(contestant: str, result: Score, show_misses: bool) -> None:
    print(f"  {contestant:34} recall {result.recall:.3f}  precision {result.precision:.3f}")
    print("      " + "  ".join(f"{kind} {result.found[kind]}/{count}" for kind, count in sorted(result.total.items())))
    if result.wrong:
        print("      wrong: " + ", ".join(f"{kind} {count}" for kind, count in result.wrong.most_common(8)))
    if show_misses:
        print("      " + "\n      ".join(sorted(set(result.misses))))


def _contestants() -> Iterator[tuple[str, Callable[[str], Iterable[tuple[str, int, int]]]]]:
    yield "ours", cleaning.find_personal_data
    yield "detect-secrets, its regex detectors", _detect_secrets
    yield "detect-secrets, all detectors", _all_of_detect_secrets
    if util.find_spec("presidio_analyzer"):
        yield "presidio, score 0.5 and more", _presidio()


def _detect_secrets(text: str) -> Iterator[tuple[str, int, int]]:
    for plugin in _plugins():
        for pattern in getattr(plugin, "denylist", ()):
            for found in pattern.finditer(text):
                yield plugin.secret_type, *found.span(1 if pattern.groups == 1 else 0)


def _all_of_detect_secrets(text: str) -> Iterator[tuple[str, int, int]]:
    yield from _detect_secrets(text)
    start = 0
    for line in text.split("\n"):
        for plugin in _plugins():
            if not hasattr(plugin, "denylist"):
                for value in plugin.analyze_string(line):
                    place = line.find(value)
                    yield plugin.secret_type, start + place, start + place + len(value)
        start += len(line) + 1


def _plugins() -> list:
    if not _PLUGINS:
        package = import_module("detect_secrets.plugins")
        from detect_secrets.plugins.base import BasePlugin

        for module in iter_modules(package.__path__):
            for member in vars(import_module(f"{package.__name__}.{module.name}")).values():
                if isinstance(member, type) and issubclass(member, BasePlugin) and not member.__abstractmethods__:
                    _PLUGINS[member.__name__] = member()
    return list(_PLUGINS.values())


_PLUGINS: dict[str, object] = {}


def _presidio() -> Callable[[str], Iterator[tuple[str, int, int]]]:
    recognisers = import_module("presidio_analyzer.predefined_recognizers")
    pattern = import_module("presidio_analyzer").PatternRecognizer
    phone = recognisers.PhoneRecognizer
    # Those of places and dates find what is no personal datum; that of mail addresses asks the web for a list
    left_out = {"DateRecognizer", "UrlRecognizer", "UuidRecognizer", "EmailRecognizer", "MacAddressRecognizer"}
    kinds = [one for name, one in vars(recognisers).items() if isinstance(one, type) and name not in left_out]
    asked = [one() for one in kinds if issubclass(one, pattern)] + [phone()]

    def find(text: str) -> Iterator[tuple[str, int, int]]:
        for recogniser in asked:
            least = 0.0 if isinstance(recogniser, phone) else 0.5
            for found in recogniser.analyze(text, recogniser.supported_entities, None):
                if found.score >= least:
                    yield found.entity_type, found.start, found.end

    return find


def _cpu_seconds(find: Callable[[str], Iterable[tuple[str, int, int]]], texts: list[str]) -> float:
    start = time.process_time()
    for text in texts:
        list(find(text))
    return time.process_time() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("location", nargs="?", default=str(handbook()), help="texts to measure the speed on")
    parser.add_argument("--misses", action="store_true", help="say what ours missed, and what it found wrongly")
    arguments = parser.parse_args()
    main(arguments.location, arguments.misses)
