"""Instruct datasets as files: what is stored, and what a training job reads."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from twin import prompts
from twin.datasets.card import card
from twin.datasets.instruct import VERSION, InstructDataset, canonical, to_messages
from twin.datasets.statistics import Statistics, statistics
from twin.datasets.writer import PROMPT_VERSION
from twin.errors import ArtifactError
from twin.records import InstructSample, utcnow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twin.artifacts import ArtifactStore

__all__ = [
    "DatasetManifest",
    "current",
    "load",
    "manifest_of",
    "publish",
    "save",
    "stored",
    "versions",
    "write_channels",
]

MANIFEST = "manifest.json"
CARD = "README.md"
FOLDER = "instruct_dataset"
BEFORE = datetime.min.replace(tzinfo=UTC)
"""When datasets were made that do not say it."""
CURRENT = "instruct_dataset.current"
"""The file in the artifact store that names the current version."""
ADVICE = "Materialise instruct_dataset: `llm-twin materialize instruct_dataset`."


class DatasetManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a stored dataset is."""

    version: str
    """`InstructDataset.version`."""
    training_version: str = ""
    """`InstructDataset.training_version`: what models name that were trained on it."""
    created_at: datetime | None = None
    train: int
    test: int
    with_context: int
    rejected: dict[str, int]
    statistics: Statistics | None = None
    writer: str
    dataset_code: str = VERSION
    writer_prompt: str = PROMPT_VERSION
    serving_prompt: str = prompts.VERSION
    test_documents: list[str]


def save(dataset: InstructDataset, folder: Path, *, at: datetime | None = None) -> DatasetManifest:
    """Writes `train.jsonl`, `test.jsonl` (one InstructSample a line), the card, and `manifest.json` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_lines(folder / "train.jsonl", dataset.train)
    _write_lines(folder / "test.jsonl", dataset.test)
    manifest = DatasetManifest(
        version=dataset.version,
        training_version=dataset.training_version,
        created_at=at,
        train=len(dataset.train),
        test=len(dataset.test),
        with_context=sum(bool(sample.context) for sample in (*dataset.train, *dataset.test)),
        rejected=dataset.rejected,
        statistics=statistics(dataset),
        writer=dataset.writer,
        test_documents=sorted(dataset.test_documents),
    )
    (folder / CARD).write_text(card(dataset), encoding="utf-8")
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    return manifest


def load(folder: Path) -> InstructDataset:
    """The dataset that `save` wrote.

    Raises:
        ArtifactError: Files are missing or damaged, or are not those that the manifest describes.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=DatasetManifest)
        dataset = InstructDataset(
            train=_read_lines(folder / "train.jsonl"),
            test=_read_lines(folder / "test.jsonl"),
            rejected=manifest.rejected,
            test_documents=frozenset(manifest.test_documents),
            writer=manifest.writer,
        )
    except (OSError, msgspec.MsgspecError) as error:
        raise ArtifactError(f"The dataset at {folder} cannot be read: {error}. {ADVICE}") from error
    if dataset.version != manifest.version:
        raise ArtifactError(f"The dataset at {folder} is damaged, or another version of the code made it. {ADVICE}")
    return dataset


def publish(store: ArtifactStore, dataset: InstructDataset) -> DatasetManifest:
    """Makes a dataset the current one of an artifact store. Every version is kept: models name the one they learned."""
    known = manifest_of(store, dataset.version) if store.exists(_name(dataset.version)) else None
    with tempfile.TemporaryDirectory() as folder:
        manifest = save(dataset, Path(folder), at=known.created_at if known else utcnow())
        store.put_folder(_name(manifest.version), Path(folder))
    store.write(CURRENT, manifest.version.encode())
    return manifest


def current(store: ArtifactStore) -> InstructDataset:
    """The dataset that was published last.

    Raises:
        ArtifactError: None was published yet, or it cannot be read.
    """
    version = store.read(CURRENT)
    if version is None:
        raise ArtifactError(f"There is no instruct dataset yet. {ADVICE}")
    return stored(store, version.decode())


def stored(store: ArtifactStore, version: str) -> InstructDataset:
    """The dataset of a version, which a few first characters may name; a model names its training version.

    Raises:
        ArtifactError: There is no such version, or it cannot be read.
    """
    return load(store.get_folder(_name(manifest_of(store, version).version)))


def manifest_of(store: ArtifactStore, version: str) -> DatasetManifest:
    """What the stored dataset of a version is; the newest where several have the training version named.

    Raises:
        ArtifactError: There is no such version, or several begin like that, or it cannot be read.
    """
    everything = versions(store)
    found = [one for one in everything if version == one.version] or [
        one for one in everything if version and one.version.startswith(version)
    ]
    found = found or [one for one in everything if version and one.training_version.startswith(version)][:1]
    if len(found) == 1:
        return found[0]
    what = "There is no dataset" if not found else f"{len(found)} datasets begin with"
    raise ArtifactError(f"{what} {version!r}. `llm-twin datasets list` shows those that there are.")


def versions(store: ArtifactStore) -> list[DatasetManifest]:
    """What every stored dataset is, newest first.

    Raises:
        ArtifactError: A manifest cannot be read.
    """
    names = [name for name in store.names(f"folders/{FOLDER}") if store.exists(_name(name))]
    manifests = [_decoded(store.read(f"folders/{_name(name)}/{MANIFEST}"), name) for name in names]
    return sorted(manifests, key=lambda one: (one.created_at or BEFORE, one.version), reverse=True)


def _decoded(content: bytes | None, name: str) -> DatasetManifest:
    try:
        return msgspec.json.decode(content or b"", type=DatasetManifest)
    except msgspec.MsgspecError as error:
        raise ArtifactError(f"The manifest of dataset {name} cannot be read: {error}. {ADVICE}") from error


def write_channels(dataset: InstructDataset, folder: Path) -> None:
    """Writes the channels `train/` and `test/` of a training job: TRL's conversational prompt and completion, JSONL.

    Datasets of one training version give the same `train/`, byte for byte.
    """
    for name, samples in (("train", dataset.train), ("test", dataset.test)):
        channel = folder / name
        channel.mkdir(parents=True, exist_ok=True)
        _write_lines(channel / "samples.jsonl", map(to_messages, canonical(samples)))


def _write_lines(path: Path, rows: Iterable[object]) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))


def _read_lines(path: Path) -> list[InstructSample]:
    return [msgspec.json.decode(line, type=InstructSample) for line in path.read_bytes().splitlines()]


def _name(version: str) -> str:
    return f"{FOLDER}/{version}"
