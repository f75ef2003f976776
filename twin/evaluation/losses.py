"""How surprised a model is by the author's own held-out words.

A program of its own (`python -m twin.evaluation.losses JOB.json`), because torch's memory then goes away with it.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from twin.errors import PlatformError
from twin.evaluation.held_out import HeldOut  # noqa: TC001 - msgspec reads the annotations at run time
from twin.processes import Child
from twin.training import compute
from twin.training.progress import Progress, parse, report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transformers import PreTrainedModel

    from twin.training.program.samples import EncodedSample

__all__ = ["SampleLoss", "measure"]


NO_LIKELIHOOD = 50.0
"""Nats a token of a model whose logits are no numbers: of a wrecked one, which JSON could not tell otherwise."""


class SampleLoss(msgspec.Struct, frozen=True, kw_only=True):
    """A model's surprise at one answer: the sum of the negative log-likelihoods (nats) of its tokens."""

    tokens: int
    nats: float


class LossJob(msgspec.Struct, frozen=True, kw_only=True):
    """The program's input. Paths are strings, for JSON."""

    base: str
    adapter: str | None
    output: str
    samples: list[HeldOut]


def measure(
    samples: Sequence[HeldOut],
    *,
    base: Path,
    adapter: Path | None,
    work: Path,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[SampleLoss]:
    """The losses of all samples, in their order, computed in a child process; `work` holds its files and its log.

    They are of the `base` folder with the LoRA `adapter` merged in; without one, of the base itself.

    Raises:
        PlatformError: The program failed; carries its last lines.
    """
    work.mkdir(parents=True, exist_ok=True)
    output = work / "losses.json"
    output.unlink(missing_ok=True)
    job = LossJob(base=str(base), adapter=str(adapter) if adapter else None, output=str(output), samples=list(samples))
    job_file = work / "losses-job.json"
    job_file.write_bytes(msgspec.json.encode(job))

    def on_line(line: str) -> None:
        if on_progress and (progress := parse(line)):
            on_progress(progress)

    command = [sys.executable, "-m", "twin.evaluation.losses", str(job_file)]
    with Child("losses", command, env=compute.environment(), log=work / "losses.log", on_line=on_line) as child:
        code = child.wait()
    if code != 0 or not output.is_file():
        raise PlatformError(
            f"Measuring perplexity ended with exit code {code}; its log is {work / 'losses.log'}.\n{child.last_lines()}"
        )
    return msgspec.json.decode(output.read_bytes(), type=list[SampleLoss])


def main() -> int:
    """Runs one job."""
    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=LossJob)

    from peft import PeftModel

    from twin.training.program import models

    tokenizer = models.load_tokenizer(Path(job.base))
    encoded = [_encode(sample, tokenizer) for sample in job.samples]
    model: Any = models.load_model(Path(job.base))
    if job.adapter:
        model = PeftModel.from_pretrained(model, job.adapter).merge_and_unload()
    Path(job.output).write_bytes(msgspec.json.encode(_losses(model, encoded)))
    return 0


def _encode(sample: HeldOut, tokenizer: Any) -> EncodedSample:
    from twin.training.program.samples import EncodedSample, Message, Sample, encode

    turns = [Message(turn["role"], turn["content"]) for turn in sample.prompt]
    whole = encode(Sample(turns, [Message("assistant", sample.answer)]), tokenizer)
    # The end of the turn is not the author's word.
    return EncodedSample(whole.input_ids[:-1], whole.labels[:-1])


def _losses(model: PreTrainedModel, encoded: list[EncodedSample]) -> list[SampleLoss]:
    import torch

    model.eval()
    results = []
    with torch.inference_mode():
        for number, sample in enumerate(encoded, 1):
            results.append(_loss(model, sample))
            report(Progress(event="losses", step=number, steps=len(encoded)))
    return results


def _loss(model: PreTrainedModel, sample: EncodedSample) -> SampleLoss:
    import torch

    from twin.training.program.samples import IGNORED

    answer = sum(label != IGNORED for label in sample.labels)
    ids = torch.tensor([sample.input_ids], device=model.device)
    # A place's logits predict the next token; logits before the last prompt token are not needed.
    logits = model(input_ids=ids, logits_to_keep=answer + 1).logits[0, :-1].float()
    nats = torch.nn.functional.cross_entropy(logits, ids[0, -answer:], reduction="sum").item()
    return SampleLoss(tokens=answer, nats=nats if math.isfinite(nats) else NO_LIKELIHOOD * answer)


if __name__ == "__main__":
    sys.exit(main())
