"""Training tokens/s and memory beside plain TRL: `python benchmarks/training_speed.py [STEPS]`.

Both train the default base model on the same packed sequences with the same recipe, each in a process of its own, and
take turns. The answers are half of the tokens, as with samples of which every second shows passages.
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
ROUNDS = 2
PROMPT_TOKENS = (60, 60, 330)
ANSWER_TOKENS = (60, 180)


def train(kind: str, steps: int, base: Path) -> dict[str, float]:
    """Trains in this process and returns tokens/s, the peak of memory in MB, and the last loss."""
    from trl import SFTTrainer

    from twin.training.program import models, sft
    from twin.training.recipe import Recipe

    if kind == "trl":
        sft.labelled_trainer = lambda: SFTTrainer  # ty: ignore[invalid-assignment]
    tokenizer = models.load_tokenizer(base)
    recipe = Recipe(max_steps=steps, eval_every=0)
    with tempfile.TemporaryDirectory() as folder:
        outcome = sft.fine_tune(
            models.load_model(base, recipe.seed),
            tokenizer,
            recipe,
            Path(folder),
            train=made_up(tokenizer),
            test=[],
            stop_requested=lambda: False,
            log=lambda metrics, step: None,
            save_steps=10**6,
        )
    assert outcome is not None
    _, metrics = outcome
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"tokens_per_second": metrics.tokens_per_second, "peak_mb": peak, "loss": metrics.loss_end}


def made_up(tokenizer):
    """Samples of the handbook's text, of the lengths that training samples have."""
    from twin.training.program.samples import IGNORED, EncodedSample

    draw = random.Random(0)
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md")))
    tokens = tokenizer(text)["input_ids"]
    samples = []
    while len(samples) < 80:
        prompt, answer = draw.choice(PROMPT_TOKENS), draw.randint(*ANSWER_TOKENS)
        ids, tokens = tokens[: prompt + answer], tokens[prompt + answer :]
        samples.append(EncodedSample(ids, [IGNORED] * prompt + ids[prompt:]))
    return samples


def in_a_process(kind: str, steps: int, base: Path) -> dict[str, float]:
    from twin.training import compute

    command = [sys.executable, __file__, str(steps), "--kind", kind, "--base", str(base)]
    ended = subprocess.run(command, env=os.environ | compute.environment(), capture_output=True, text=True, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", type=int, nargs="?", default=6)
    parser.add_argument("--kind", choices=("trl", "ours"))
    parser.add_argument("--base", type=Path)
    arguments = parser.parse_args()
    if arguments.kind:
        print(json.dumps(train(arguments.kind, arguments.steps, arguments.base)))
        return

    from twin.settings import ModelSettings, read
    from twin.training import base_model

    with tempfile.TemporaryDirectory() as folder:
        base = base_model.ensure(read(ModelSettings).model_copy(update={"base": None}), Path(folder)).folder
        rounds = [{kind: in_a_process(kind, arguments.steps, base) for kind in ("trl", "ours")} for _ in range(ROUNDS)]
    for kind in ("trl", "ours"):
        figures = {name: statistics.fmean(each[kind][name] for each in rounds) for name in rounds[0][kind]}
        print(f"{kind:>5}: " + "  ".join(f"{name} {value:.4g}" for name, value in figures.items()))
    ratios = [each["ours"]["tokens_per_second"] / each["trl"]["tokens_per_second"] for each in rounds]
    print(f"ratio: {statistics.fmean(ratios):.2f} ({', '.join(f'{ratio:.2f}' for ratio in ratios)})")
    started = Path(__file__).parent / "results" / "training_speed.json"
    started.parent.mkdir(exist_ok=True)
    started.write_text(json.dumps({"steps": arguments.steps, "rounds": rounds, "at": time.time()}, indent=2))


if __name__ == "__main__":
    main()
