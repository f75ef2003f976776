"""How surprised the base model and the tuned model are by the author's own held-out words.

A program of its own (`python -m twin.evaluation.losses JOB.json`), because torch's memory then goes away with it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from twin.errors import PlatformError
from twin.processes import Child
from twin.training import compute
from twin.training.progress import Progress, parse, report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transformers import PreTrainedModel

    from twin.training.program.samples import EncodedSample

__all__ = ["HeldOut", "SampleLoss", "measure"]


class HeldOut(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt, and what the author wrote there."""

    id: str
    author: str
    instruction: str
    prompt: list[dict[str, str]]
    answer: str


class SampleLoss(msgspec.Struct, frozen=True, kw_only=True):
    """Both models' surprise at one answer: the sum of the negative log-likelihoods (nats) of its tokens."""

    id: str
    author: str
    tokens: int
    base: float
    tuned: float


class LossJob(msgspec.Struct, frozen=True, kw_only=True):
    """The program's input. Paths are strings, for JSON."""

    base: str
    adapter: str
    output: str
    samples: list[HeldOut]


def measure(
    samples: Sequence[HeldOut],
    *,
    base: Path,
    adapter: Path,
    work: Path,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[SampleLoss]:
    """The losses of all samples, in their order, computed in a child process; `work` holds its files and its log.

    Raises:
        PlatformError: The program failed; carries its last lines.
    """
    work.mkdir(parents=True, exist_ok=True)
    output = work / "losses.json"
    output.unlink(missing_ok=True)
    job = LossJob(base=str(base), adapter=str(adapter), output=str(output), samples=list(samples))
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
    """Runs one job: the base model over all samples, then the same model with the adapter merged in."""
    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=LossJob)

    from peft import PeftModel

    from twin.training.program import models

    tokenizer = models.load_tokenizer(Path(job.base))
    encoded = [_encode(sample, tokenizer) for sample in job.samples]
    model = models.load_model(Path(job.base))
    base = _losses(model, encoded, "base")
    tuned_model: Any = PeftModel.from_pretrained(model, job.adapter)
    tuned = _losses(tuned_model.merge_and_unload(), encoded, "tuned")
    results = [
        SampleLoss(id=sample.id, author=sample.author, tokens=tokens, base=base_loss, tuned=tuned_loss)
        for sample, (tokens, base_loss), (_, tuned_loss) in zip(job.samples, base, tuned, strict=True)
    ]
    Path(job.output).write_bytes(msgspec.json.encode(results))
    return 0


def _encode(sample: HeldOut, tokenizer: Any) -> EncodedSample:
    from twin.training.program.samples import EncodedSample, Message, Sample, encode

    turns = [Message(turn["role"], turn["content"]) for turn in sample.prompt]
    whole = encode(Sample(turns, [Message("assistant", sample.answer)]), tokenizer)
    # The end of the turn is not the author's word.
    return EncodedSample(whole.input_ids[:-1], whole.labels[:-1])


def _losses(model: PreTrainedModel, encoded: list[EncodedSample], name: str) -> list[tuple[int, float]]:
    """Number of answer tokens and the sum of their negative log-likelihoods, for each sample."""
    import torch

    model.eval()
    results = []
    with torch.inference_mode():
        for number, sample in enumerate(encoded, 1):
            results.append(_loss(model, sample))
            report(Progress(event="losses", step=number, steps=len(encoded), detail={"model": name}))
    return results


def _loss(model: PreTrainedModel, sample: EncodedSample) -> tuple[int, float]:
    import torch

    from twin.training.program.samples import IGNORED

    answer = sum(label != IGNORED for label in sample.labels)
    ids = torch.tensor([sample.input_ids], device=model.device)
    # A place's logits predict the next token; logits before the last prompt token are not needed.
    logits = model(input_ids=ids, logits_to_keep=answer + 1).logits[0, :-1].float()
    return answer, torch.nn.functional.cross_entropy(logits, ids[0, -answer:], reduction="sum").item()


if __name__ == "__main__":
    sys.exit(main())
