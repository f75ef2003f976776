"""Which collectors there are, and how another package adds one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from twin.collection.registry import all_collectors, collector_of
from twin.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN = '''
"""A collector of another package: the lines of a diary, each a document."""

from pathlib import Path

from twin.collection.collector import Draft, finish


class DiaryCollector:
    kind = KIND
    rank = 5
    complete = True
    accepts = "a file ending in .diary"

    def recognise(self, location):
        return str(Path(location).resolve()) if location.endswith(".diary") else None

    def collect(self, source, session):
        for number, line in enumerate(Path(source.location).read_text().splitlines(), 1):
            url = f"{Path(source.location).as_uri()}#{number}"
            yield finish(Draft(url=url, title=line, content=line), source, session)


COLLECTOR = DiaryCollector()
'''
PROGRAM = """
import json, sys
from twin import collection
from twin.settings import SourceSettings, read
source = collection.detect(sys.argv[1], "Ada")
print(json.dumps([source.kind, [item.content for item in collection.look(source, read(SourceSettings))]]))
"""


def run_with_plugin(folder: Path, kind: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in an environment where a package with a collector of its own is installed."""
    (folder / "diary_collector.py").write_text(PLUGIN.replace("KIND", repr(kind)))
    about = folder / "diary_collector-1.0.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: diary-collector\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[llm_twin.collectors]\ndiary = diary_collector:COLLECTOR\n")
    (folder / "my.diary").write_text("It rained.\nIt rained again.\n")
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder / "my.diary")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )


def test_a_collector_of_another_package_is_found_by_its_entry_point(tmp_path: Path) -> None:
    run = run_with_plugin(tmp_path, "diary")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == ["diary", ["It rained.", "It rained again."]]


def test_two_collectors_of_one_kind_are_an_error_that_names_it(tmp_path: Path) -> None:
    run = run_with_plugin(tmp_path, "folder")
    assert run.returncode != 0
    assert "More than one collector has the kind folder" in run.stderr


def test_every_collector_says_what_it_takes() -> None:
    collectors = all_collectors()
    assert [collector.rank for collector in collectors] == sorted(collector.rank for collector in collectors)
    assert len({collector.kind for collector in collectors}) == len(collectors)
    for collector in collectors:
        assert collector.accepts
        assert collector.complete in (True, False)
        assert collector_of(collector.kind) is collector


def test_a_kind_that_nobody_reads_is_an_error_that_lists_the_others() -> None:
    with pytest.raises(SettingsError, match=r"kind 'gopher'.*Known: .*folder"):
        collector_of("gopher")
