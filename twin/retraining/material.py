"""What there is to learn that the current model has not seen.

Of the author's passages those count that the next dataset would take and that were not there when the current model's
was made; so neither deletions nor what the cap leaves out counts as new. Of readers' pairs those count that the model
did not learn from. Looking at all passages takes seconds, so what was found is remembered until something changes.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from twin.datasets import current as current_dataset
from twin.datasets import feedback, offered, plan, preferences
from twin.errors import ArtifactError
from twin.records import Chunk, content_hash
from twin.training import catalog, recipes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twin.artifacts import ArtifactStore
    from twin.settings import FeedbackSettings, TrainingSettings
    from twin.warehouse.feedback import Ratings

__all__ = ["Material", "Watch", "look", "remembered"]


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to learn."""

    model: str | None
    """The address of the current model; None where there is none yet."""
    version: str
    """Of what there is: the passages and the readers' pairs."""
    passages: int = 0
    """That the model has not seen."""
    pairs: int = 0
    """That the model has not seen."""
    since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    """When something was first there that the model has not seen."""


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered from one tick to the next."""

    asked: str = ""
    """What the material was found for: passages, feedback, model and settings."""
    material: Material = Material(model=None, version="")


def remembered(text: str | None) -> Watch:
    """What was remembered at the last tick; what cannot be read is begun anew."""
    try:
        return msgspec.json.decode(text or "{}", type=Watch)
    except msgspec.DecodeError:
        return Watch()


def look(
    store: ArtifactStore,
    ratings: Ratings,
    training: TrainingSettings,
    said: FeedbackSettings,
    watch: Watch,
    *,
    now: datetime,
) -> Watch:
    """What there is now, and what it was found for.

    Raises:
        ArtifactError: A dataset or a model's manifest is damaged.
        WarehouseUnavailable: MongoDB does not answer.
    """
    chunks = store.dataset("chunks", Chunk)
    documents = chunks.data_version
    model = catalog.current_manifest(store)
    if model is None:
        return Watch(material=Material(model=None, version=documents))
    address, manifest = model
    learned = manifest["dataset_version"]
    if not offered.is_noted(store, learned):  # an earlier version of the twin made it: the watch begins now
        offered.note(store, learned, chunks.fingerprints())
    version = content_hash(documents, ratings.state(), repr(training), repr(said))[:32]
    asked = f"{version}/{address}/{offered.version(store, learned)}"
    if watch.asked == asked:
        return watch
    passages = _unseen_passages(store, learned, training)
    pairs = _unseen_pairs(store, manifest, ratings, training, said)
    before = watch.material.since if watch.material.model == address else None
    since = (before or now) if passages or pairs else None
    material = Material(model=address, version=version, passages=passages, pairs=pairs, since=since)
    return Watch(asked=asked, material=material)


def _unseen_passages(store: ArtifactStore, learned: str, training: TrainingSettings) -> int:
    """The passages that the next dataset would train on, of documents that were not the same at the model's dataset."""
    chunks = store.dataset("chunks", Chunk)
    known = offered.read(store, learned)
    changed = {key for key, fingerprint in chunks.fingerprints().items() if known.get(key) != fingerprint}
    if not changed:
        return 0
    planned = plan(chunks.rows(), cap=training.max_samples, test_share=training.test_share, seed=training.seed)
    return sum(chunk.document_id in changed for chunk in planned.train)


def _unseen_pairs(
    store: ArtifactStore,
    manifest: Mapping[str, Any],
    ratings: Ratings,
    training: TrainingSettings,
    said: FeedbackSettings,
) -> int:
    """The readers' pairs that a training would take and the model's did not."""
    if not (said.dpo_steps or recipes.from_settings(training).dpo_steps):
        return 0
    told = feedback.build(ratings.rated(), daily_cap=said.daily_cap)
    usable = preferences.from_feedback(told, current_dataset(store), store) if told.pairs else None
    learned = _learned_from(store, manifest.get("preference_version", ""))
    return len({pair.id for pair in usable.pairs} - learned) if usable else 0


def _learned_from(store: ArtifactStore, version: str) -> set[str]:
    try:
        return {pair.id for pair in preferences.stored(store, version).by_readers()} if version else set()
    except ArtifactError:
        return set()  # another home's, or pruned
