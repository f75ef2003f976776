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

from twin.datasets.instruct import to_messages
from twin.errors import ArtifactError
from twin.records import content_hash
from twin.text.citations import cite
from twin.text.words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.artifacts import ArtifactStore
    from twin.datasets.instruct import InstructDataset
    from twin.records import InstructSample

__all__ = [
    "VERSION",
    "PreferenceDataset",
    "PreferencePair",
    "build",
    "card",
    "current",
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
    """Who preferred: `author`, where the chosen answer is a passage of theirs."""
    model: str
    """A hash of the weights that gave the rejected answer."""
    author: str
    document_id: str


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

    def of(self, dataset: InstructDataset) -> PreferenceDataset:
        """Without the pairs of samples that the dataset no longer trains on: their document was deleted or is held
        out, or their passage or prompt is another now."""
        asked = {sample.id: (to_messages(sample)["prompt"], sample.answer) for sample in dataset.train}
        kept = [pair for pair in self.pairs if asked.get(pair.id) == (pair.prompt, pair.chosen)]
        return msgspec.structs.replace(self, pairs=kept)


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
        pairs.append(
            PreferencePair(
                id=sample.id,
                prompt=to_messages(sample)["prompt"],
                chosen=sample.answer,
                rejected=answer.strip(),
                model=weights,
                author=sample.author,
                document_id=sample.document_id,
            )
        )
    return PreferenceDataset(pairs=pairs, left_out=dict(left_out.most_common()), model=model)


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
        f"answer is the author's passage, the rejected one what {dataset.model or 'no model'} said to the same prompt.",
        "## Where the preference came from\n\n" + _listed(sources(dataset)),
        "## Whose text it is\n\n" + _listed(authors),
        "## What was left out\n\n" + _listed(dataset.left_out),
        "## What to know before using it\n\nA rejected answer is rejected for not being the author's, not for being "
        "wrong. It may be shorter than the passage, since it was cut where evaluation cuts answers. The text belongs "
        "to its authors: publish it only with their word.",
    ]
    return "\n\n".join(parts) + "\n"


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
