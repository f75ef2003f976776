"""The base model as a reader: it goes on with texts, and says how likely texts are.

A chat server gives neither, so this is a program of its own (`python -m twin.training.reader JOB.json`), whose memory
goes away with it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from twin.datasets import Likelihood, Unfinished  # noqa: TC001 - msgspec reads the annotations at run time
from twin.errors import PlatformError
from twin.processes import Child
from twin.training import compute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.training.base_model import BaseModel

__all__ = ["BaseReader"]


class _Job(msgspec.Struct, frozen=True, kw_only=True):
    """The program's input. Paths are strings, for JSON."""

    base: str
    output: str
    unfinished: list[Unfinished] = []
    likelihoods: list[Likelihood] = []


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    """The program's output, parallel to its input."""

    written: list[list[str]]
    losses: list[float]


class BaseReader:
    """A base model that a child process loads for each call."""

    def __init__(self, name: str, base: BaseModel, log: Path) -> None:
        self.name = name
        self._base = base
        self._log = log

    def write(self, unfinished: Sequence[Unfinished]) -> list[list[str]]:
        """See `twin.datasets.Reader`.

        Raises:
            PlatformError: The program failed; carries its last lines.
        """
        return self._run(unfinished=list(unfinished)).written

    def losses(self, asked: Sequence[Likelihood]) -> list[float]:
        """See `twin.datasets.Reader`.

        Raises:
            PlatformError: The program failed; carries its last lines.
        """
        return self._run(likelihoods=list(asked)).losses

    def _run(self, **asked: Any) -> _Result:
        with tempfile.TemporaryDirectory() as folder:
            job_file, output = Path(folder, "job.json"), Path(folder, "result.json")
            job = _Job(base=str(self._base.folder), output=str(output), **asked)
            job_file.write_bytes(msgspec.json.encode(job))
            command = [sys.executable, "-m", "twin.training.reader", str(job_file)]
            with Child("reader", command, env=compute.environment(), log=self._log) as child:
                code = child.wait()
            if code != 0 or not output.is_file():
                raise PlatformError(
                    f"The base model could not be asked: its program ended with exit code {code}; its log is "
                    f"{self._log}.",
                    detail=child.last_lines(),
                )
            return msgspec.json.decode(output.read_bytes(), type=_Result)


def main() -> int:
    """Runs one job."""
    from twin.training.program import models, reading

    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=_Job)
    tokenizer, model = models.load_tokenizer(Path(job.base)), models.load_model(Path(job.base)).eval()
    result = _Result(
        written=reading.write(model, tokenizer, job.unfinished),
        losses=reading.losses(model, tokenizer, job.likelihoods),
    )
    Path(job.output).write_bytes(msgspec.json.encode(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
