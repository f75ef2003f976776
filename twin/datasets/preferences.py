"""Preference pairs: the author's passage, and what a model answers to the same instruction, told apart by their source.

folders/preference_dataset/<version>/   pairs.jsonl (one PreferencePair a line), README.md (the card), manifest.json
preference_dataset.current              the version that was made last
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from twin.datasets.feedback import READER
from twin.datasets.instruct import to_messages
from twin.datasets.leakage import leaks
from twin.errors import ArtifactError
from twin.records import Chunk, content_hash
from twin.text.citations import cite
from twin.text.words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.artifacts import ArtifactStore
    from twin.datasets.feedback import FeedbackDataset
    from twin.datasets.instruct import InstructDataset
    from twin.records import InstructSample

__all__ = [
    "VERSION",
    "PreferenceDataset",
    "PreferencePair",
    "build",
    "card",
    "current",
    "from_feedback",
    "joined",
    "publish",
    "sources",
    "stored",
    "write_channel",
]

VERSION = "1"
"""Of how pairs are chosen."""
ALIKE = 0.8
"""Answers that share so much of their words say the same."""
FOLDER = "preference_dataset"
CURRENT = "preference_dataset.current"
ADVICE = "Materialise preference_dataset: `llm-twin materialize preference_dataset`."

Message = dict[str, str]


class PreferencePair(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt as the twin is asked, the answer to prefer, and the one to leave."""

    id: str
    """Of the instruct sample that it is made from."""
    prompt: list[Message]
    chosen: str
    rejected: str
    source: str = "author"
    """Who preferred: `author`, where the chosen answer is a passage of theirs, or `reader`."""
    model: str
    """What gave the rejected answer: a hash of its weights, or of a reader's pair the version."""
    author: str
    document_id: str
    interactions: list[str] = []
    """Where a reader's pair comes from."""


class PreferenceDataset(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs, and why there are no more."""

    pairs: list[PreferencePair]
    left_out: dict[str, int] = {}
    """How many pairs were left out, by reason."""
    model: str = ""
    """The name of the model that was asked; none where nothing was."""

    @property
    def version(self) -> str:
        """A hash over what a model is trained on; equal pairs in any order have equal versions."""
        return content_hash(VERSION, *sorted(msgspec.json.encode(_as_trained(pair)).decode() for pair in self.pairs))[
            :32
        ]

    def of(self, dataset: InstructDataset, told: PreferenceDataset | None = None) -> PreferenceDataset:
        """Without what may no longer be trained on.

        Of the author's pairs, those stay whose sample the dataset trains on as it was: its document was not deleted and
        is not held out, and passage and prompt are the same. Of the readers', those that `told` has (`from_feedback`).
        """
        asked = {sample.id: (to_messages(sample)["prompt"], sample.answer) for sample in dataset.train}
        asked |= {pair.id: (pair.prompt, pair.chosen) for pair in (told.pairs if told else ())}
        kept = [pair for pair in self.pairs if asked.get(pair.id) == (pair.prompt, pair.chosen)]
        return replace(self, pairs=kept)

    def by_readers(self) -> list[PreferencePair]:
        """The pairs that readers gave."""
        return [pair for pair in self.pairs if pair.source == READER]


def build(samples: Sequence[InstructSample], answers: Sequence[str], *, model: str, weights: str) -> PreferenceDataset:
    """A pair for each sample, from what the model answered to its prompt.

    Left out and counted are pairs whose rejected answer is empty, is much like the chosen one, or is better supported
    by the passages in the prompt.
    """
    pairs: list[PreferencePair] = []
    left_out: Counter[str] = Counter()
    for sample, answer in zip(samples, answers, strict=True):
        if reason := _why_not(sample, answer):
            left_out[reason] += 1
            continue
        pairs.append(_pair(sample, answer, weights))
    return PreferenceDataset(pairs=pairs, left_out=dict(left_out.most_common()), model=model)


def from_feedback(told: FeedbackDataset, dataset: InstructDataset, store: ArtifactStore) -> PreferenceDataset:
    """The readers' pairs that may be trained on beside a dataset.

    Passages that are held out or were deleted are not shown, and left out and counted is a pair that shows or says what
    is held out.
    """
    if not told.pairs:
        return PreferenceDataset(pairs=[])
    chunks = store.dataset("chunks", Chunk)
    usable = chunks.fingerprints().keys() - dataset.test_documents
    held_out = list(chunks.rows(dataset.test_documents))
    samples = [pair.sample(usable) for pair in told.pairs]
    rejected = [replace(sample, answer=pair.rejected) for sample, pair in zip(samples, told.pairs, strict=True)]
    leaking = {leak.sample_id for leak in leaks([*samples, *rejected], dataset.test, held_out)}
    pairs, left_out = [], Counter({"a reader's pair shows what is held out": len(leaking)} if leaking else {})
    for sample, pair in zip(samples, told.pairs, strict=True):
        if sample.id in leaking:
            continue
        if reason := _why_not(sample, pair.rejected):
            left_out[reason] += 1
        else:
            made = _pair(sample, pair.rejected, pair.model)
            pairs.append(replace(made, source=READER, interactions=pair.interactions))
    return PreferenceDataset(pairs=pairs, left_out=dict(left_out))


def joined(own: PreferenceDataset, told: PreferenceDataset) -> PreferenceDataset:
    """The author's pairs and the readers'."""
    left_out = Counter(own.left_out) + Counter(told.left_out)
    return replace(own, pairs=[*own.pairs, *told.pairs], left_out=dict(left_out.most_common()))


def publish(store: ArtifactStore, dataset: PreferenceDataset) -> str:
    """Makes a dataset the current one of an artifact store, and returns its version. Every version is kept."""
    name = f"{FOLDER}/{dataset.version}"
    about = {"version": dataset.version, "left_out": dataset.left_out, "model": dataset.model}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _write_lines(folder / "pairs.jsonl", dataset.pairs)
        (folder / "README.md").write_text(card(dataset), encoding="utf-8")
        (folder / "manifest.json").write_bytes(msgspec.json.format(msgspec.json.encode(about), indent=2))
        store.put_folder(name, folder)
    store.write(CURRENT, dataset.version.encode())
    return dataset.version


def current(store: ArtifactStore) -> PreferenceDataset:
    """The dataset that was made last.

    Raises:
        ArtifactError: None was made yet, or it is damaged.
    """
    version = store.read(CURRENT)
    if version is None:
        raise ArtifactError(f"There is no preference dataset yet. {ADVICE}")
    return stored(store, version.decode())


def stored(store: ArtifactStore, version: str) -> PreferenceDataset:
    """The dataset of a version, which a model names that learned from it.

    Raises:
        ArtifactError: There is no such version, or it is damaged.
    """
    folder = store.get_folder(f"{FOLDER}/{version}")
    try:
        about = msgspec.json.decode((folder / "manifest.json").read_bytes())
        lines = (folder / "pairs.jsonl").read_bytes().splitlines()
        dataset = PreferenceDataset(
            pairs=[msgspec.json.decode(line, type=PreferencePair) for line in lines],
            left_out=about["left_out"],
            model=about["model"],
        )
    except (OSError, KeyError, msgspec.MsgspecError) as error:
        raise ArtifactError(f"The preference dataset at {folder} cannot be read: {error}. {ADVICE}") from error
    if dataset.version != version:
        raise ArtifactError(f"The preference dataset at {folder} is damaged. {ADVICE}")
    return dataset


def write_channel(dataset: PreferenceDataset, folder: Path) -> Path:
    """Writes the channel `preference/` of a training job: TRL's conversational preferences, JSONL; returns the file."""
    file = folder / "preference" / "pairs.jsonl"
    file.parent.mkdir(parents=True)
    rows = [_as_trained(pair) for pair in dataset.pairs]
    by_content = sorted(rows, key=lambda row: content_hash(msgspec.json.encode(row).decode()))
    _write_lines(file, by_content)
    return file


def sources(dataset: PreferenceDataset) -> dict[str, int]:
    """How many pairs each source gave."""
    return dict(Counter(pair.source for pair in dataset.pairs).most_common())


def card(dataset: PreferenceDataset) -> str:
    """The dataset's card: markdown with front matter, in the form that Hugging Face shows."""
    authors = Counter(pair.author for pair in dataset.pairs)
    parts = [
        "---\ntask_categories:\n- text-generation\ntags:\n- dpo\n---",
        "# The author's passages against a model's answers",
        f"Version `{dataset.version}`. {len(dataset.pairs)} pairs of training samples; none is held out. The chosen "
        f"answer is the author's passage, the rejected one what {dataset.model or 'no model'} said to the same prompt. "
        "A reader's pair names the interactions that it comes from: the chosen answer is the one that they wrote or "
        "liked.",
        "## Where the preference came from\n\n" + _listed(sources(dataset)),
        "## Whose text it is\n\n" + _listed(authors),
        "## What was left out\n\n" + _listed(dataset.left_out),
        "## What to know before using it\n\nA rejected answer is rejected for not being the author's, not for being "
        "wrong. It may be shorter than the passage, since it was cut where evaluation cuts answers. The text belongs "
        "to its authors: publish it only with their word.",
    ]
    return "\n\n".join(parts) + "\n"


def _pair(sample: InstructSample, rejected: str, model: str) -> PreferencePair:
    return PreferencePair(
        id=sample.id,
        prompt=to_messages(sample)["prompt"],
        chosen=sample.answer,
        rejected=rejected.strip(),
        model=model,
        author=sample.author,
        document_id=sample.document_id,
    )


def _why_not(sample: InstructSample, answer: str) -> str | None:
    chosen, rejected = set(words(sample.answer)), set(words(answer))
    if not rejected:
        return "the model said nothing"
    if len(chosen & rejected) >= ALIKE * len(chosen | rejected):
        return "both answers say the same"
    if sample.context and _support(answer, sample.context) > _support(sample.answer, sample.context):
        return "the rejected answer is better supported by the passages"
    return None


def _support(answer: str, shown: Sequence[str]) -> float:
    said = [sentence for sentence in cite(answer, shown) if words(sentence.text)]
    return sum(sentence.supported for sentence in said) / len(said) if said else 0.0


def _as_trained(pair: PreferencePair) -> dict[str, list[Message]]:
    return {
        "prompt": pair.prompt,
        "chosen": [{"role": "assistant", "content": pair.chosen}],
        "rejected": [{"role": "assistant", "content": pair.rejected}],
    }


def _listed(counts: dict[str, int]) -> str:
    return "\n".join(f"- {count}: {name}" for name, count in counts.items()) or "- nothing"


def _write_lines(path: Path, rows: Sequence[Any]) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
