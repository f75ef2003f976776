"""Training data: what there is, what is in it, what differs, and what the next one would take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from llm_twin_dagster.cli.output import Json, explained, out, print_json, print_table
from twin.deployment import Deployment
from twin.settings import TrainingSettings, read

if TYPE_CHECKING:
    from twin.records import InstructSample

__all__ = ["app"]

app = typer.Typer(help="Training data made from the author's own passages.", no_args_is_help=True)

Version = Annotated[str, typer.Argument(help="Of `datasets list`; its first characters will do.")]
SHOWN = 20
CELL_CHARS = 90


@app.command("list")
@explained
def list_(as_json: Json = False) -> None:
    """Every version that is stored, newest first."""
    from twin import datasets

    found = datasets.versions(Deployment().artifacts)
    if as_json:
        print_json(found)
        return
    print_table(
        ["version", "training data", "train", "test", "leads back", "writer", "created"],
        [
            [
                one.version[:12],
                one.training_version[:12],
                one.train,
                one.test,
                f"{one.statistics.passages_with_one:.0%}" if one.statistics else "",
                one.writer,
                one.created_at.isoformat(timespec="seconds") if one.created_at else "",
            ]
            for one in found
        ],
        empty="There is no dataset yet: `llm-twin materialize instruct_dataset` makes one.",
    )


@app.command()
@explained
def show(
    version: Version,
    samples: Annotated[int, typer.Option(min=0, help="How many samples to show.")] = SHOWN,
    as_json: Json = False,
) -> None:
    """What a version is made of, and some of its samples."""
    from twin import datasets

    store = Deployment().artifacts
    dataset = datasets.stored(store, version)
    if as_json:
        print_json({"manifest": datasets.manifest_of(store, version), "samples": dataset.samples[:samples]})
        return
    figures = msgspec.to_builtins(datasets.statistics(dataset))
    print_table(["figure", "value"], [[name, str(value)] for name, value in figures.items()], title=dataset.version)
    print_table(["split", "method", "rank", "pmi", "instruction", "answer"], map(_row, dataset.samples[:samples]))


@app.command()
@explained
def diff(before: Version, after: Version, as_json: Json = False) -> None:
    """What the second of two versions has, has not, and has otherwise."""
    from twin import datasets

    store = Deployment().artifacts
    found = datasets.compare(datasets.stored(store, before), datasets.stored(store, after))
    if as_json:
        print_json(found)
        return
    rows = [
        *(["added", *_row(sample)] for sample in found.added),
        *(["removed", *_row(sample)] for sample in found.removed),
        *(["changed", *_row(sample)] for _, sample in found.changed),
    ]
    print_table(["what", "split", "method", "rank", "pmi", "instruction", "answer"], rows, empty="No sample differs.")
    same = "The same training data" if found.same_training_data else "Other training data"
    out.print(
        f"{same}. {len(found.added)} added, {len(found.removed)} removed, {len(found.changed)} changed, "
        f"{found.unchanged} unchanged."
    )


@app.command()
@explained
def export(version: Version, folder: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Write a version as JSONL, with its card, and as a folder that Hugging Face's `datasets` loads."""
    from twin import datasets

    for path in datasets.export(datasets.stored(Deployment().artifacts, version), folder):
        out.print(str(path))


@app.command()
@explained
def estimate(as_json: Json = False) -> None:
    """What the next dataset would be made of, how long that takes here, and what a teacher would read and write."""
    from twin import datasets, outside
    from twin.records import Chunk

    settings, has_teacher = read(TrainingSettings), outside.teacher() is not None
    found = datasets.estimate(
        Deployment().artifacts.dataset("chunks", Chunk).rows(),
        cap=settings.max_samples,
        most_written=settings.max_samples if has_teacher else settings.written_samples,
        test_share=settings.test_share,
        seed=settings.seed,
        has_teacher=has_teacher,
    )
    if as_json:
        print_json(found)
        return
    out.print(
        f"{found.train} samples to train on and {found.test} held out, of {found.suitable} suitable passages among "
        f"{found.passages}. A model writes instructions for {found.written}. About {found.seconds:.0f} s here, less "
        "what an earlier run left in the cache."
    )
    if has_teacher:
        out.print(
            f"The teacher reads at most {found.prompt_tokens} tokens and writes at most {found.completion_tokens}."
        )
    for reason, count in found.rejected.items():
        out.print(f"Left out: {count}, {reason}.")


def _row(sample: InstructSample) -> list[str]:
    pmi = "" if sample.pmi is None else f"{sample.pmi:.2f}"
    return [sample.split, sample.method, str(sample.rank or ""), pmi, _cut(sample.instruction), _cut(sample.answer)]


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= CELL_CHARS else f"{flat[:CELL_CHARS]}…"
