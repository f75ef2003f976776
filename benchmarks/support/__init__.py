"""What benchmarks share: where the corpora are, which half of XQuAD is reported, and how results are written down."""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CORPORA", "PROJECT", "handbook", "is_reported", "machine", "save", "table"]

CORPORA = Path(os.environ.get("TWIN_CORPORA", Path(__file__).resolve().parents[3] / "shared" / "corpora"))
PROJECT = Path(__file__).resolve().parents[2]
RESULTS = PROJECT / "benchmarks" / "results"
HANDBOOK_COMMIT = "c85ca9c"
"""The handbook as it was then: writing docs must not move a benchmark's figures."""
VERSIONS = ("torch", "sentence-transformers", "onnxruntime", "qdrant-client", "qdrant-edge-py", "pymongo")


def is_reported(document: str) -> bool:
    """Whether questions about a paragraph are for reporting; the others are for tuning. A fixed half, by hash."""
    return hashlib.sha256(document.encode()).digest()[0] % 2 == 1


@functools.cache
def handbook() -> Path:
    """The folder `docs/` as it was in `HANDBOOK_COMMIT`, taken out of git into a folder for the length of the program.

    Raises:
        SystemExit: The clone is too shallow to have that commit.
    """
    folder = Path(tempfile.mkdtemp(prefix="handbook-"))
    atexit.register(shutil.rmtree, folder)
    archive = folder / "docs.tar"
    command = ["git", "-C", str(PROJECT), "archive", "-o", str(archive), HANDBOOK_COMMIT, "docs"]
    if subprocess.run(command, check=False).returncode != 0:
        raise SystemExit(f"This clone has no commit {HANDBOOK_COMMIT}: run `git fetch --unshallow`.")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / "docs"


def machine() -> dict[str, Any]:
    """What was measured on, and with which versions."""
    names = [line.split(":", 1)[1].strip() for line in _cpu_lines() if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in VERSIONS},
    }


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def save(name: str, result: dict[str, Any], tables: str) -> str:
    """Writes `results/<name>.json` and `.md`; returns the markdown."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    on = machine()
    head = f"# {name}\n\n{on['processor']}, {on['cores']} cores, Python {on['python']}, " + ", ".join(
        f"{package} {number}" for package, number in on["versions"].items()
    )
    markdown = f"{head}\n\n{tables}\n"
    (RESULTS / f"{name}.md").write_text(markdown, "utf-8")
    return markdown


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
