"""Training jobs, and the trainer that runs them here, as child processes under SageMaker's own contract."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from twin import disk
from twin.artifacts import model_folder
from twin.errors import ArtifactError, TrainingFailed
from twin.processes import Child
from twin.records import content_hash
from twin.training import VERSION, compute
from twin.training.program.experiment import RUN_VARIABLE
from twin.training.progress import Progress, parse
from twin.training.recipe import Provenance, Recipe, to_hyperparameters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from twin.training.base_model import BaseModel

__all__ = ["LocalTrainer", "TrainedModel", "Trainer", "TrainingJob", "busy", "finished_model", "job_name", "train"]

STOP_SECONDS = 60.0
"""How long an interrupted program may take to finish its step and save a checkpoint."""
ORPHAN_SECONDS = 30.0
"""The same when whoever started it is gone."""

INTERRUPTED = 75


class TrainingJob(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that makes one model. Equal jobs have equal names and make the same model."""

    dataset_version: str
    base: BaseModel
    recipe: Recipe
    train: Path
    """A JSONL file of `{"prompt": [messages], "completion": [messages]}`."""
    test: Path | None = None
    """The same, held out; its loss is measured at the end."""
    preference: Path | None = None
    """A JSONL file of `{"prompt": [messages], "chosen": [messages], "rejected": [messages]}`, where the recipe has
    steps of preference training."""
    preference_version: str = ""
    """Of the pairs in it."""
    save_steps: int = 5
    """Steps between checkpoints. Does not change the model."""
    run_id: str | None = None
    """The run that asked for it, which the experiment names. Does not change the model either."""
    spend_usd: float | None = None
    """What a person allowed it to cost, where training costs money."""

    @property
    def name(self) -> str:
        """Deterministic, and a valid SageMaker job name."""
        return job_name(self.dataset_version, VERSION, self.base.sha256, self.recipe.hash, self.preference_version)

    @property
    def channels(self) -> dict[str, Path | None]:
        """The files of the job by the input channel that they are in; the base model is a channel of its own."""
        return {"train": self.train, "test": self.test, "preference": self.preference}

    @property
    def provenance(self) -> Provenance:
        return Provenance(
            base_model=self.base.name,
            base_sha256=self.base.sha256,
            dataset_version=self.dataset_version,
            code_version=VERSION,
            preference_version=self.preference_version,
        )


class TrainedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A finished model in a folder of this machine."""

    folder: Path
    manifest: dict[str, Any]
    reused: bool = False
    """True when it was there already and nothing was trained."""
    ran: dict[str, float | str] = {}
    """What its place says of the training: where it ran and what it cost, for instance."""

    @property
    def job(self) -> str:
        """The name of the training job that made it."""
        made_of = (self.manifest[name] for name in ("dataset_version", "code_version", "base_sha256", "recipe"))
        return job_name(*made_of, self.manifest.get("preference_version", ""))

    @property
    def servable(self) -> Path:
        """What an inference server loads: the GGUF file or the merged folder."""
        return self.folder / self.manifest["file"]

    @property
    def adapter(self) -> Path:
        """The LoRA adapter alone, in PEFT's format."""
        return self.folder / "adapter"


class Trainer(Protocol):
    """A place where training jobs run."""

    def train(self, job: TrainingJob, on_progress: Callable[[Progress], None] | None = None) -> TrainedModel:
        """The job's model: the finished one, or a new one. Raises TrainingFailed with the program's reason."""
        ...

    def most_usd(self) -> float:
        """What a job costs at most, in USD; 0 where it costs nothing."""
        ...

    def check(self) -> None:
        """Returns if a job could be started. Starts none.

        Raises:
            TwinError: With what is missing.
        """
        ...

    def discard(self, job: TrainingJob) -> None:
        """Forgets the job's model and checkpoints, so that the next `train` starts afresh; logs are kept."""
        ...


class LocalTrainer:
    """Runs the train program as a child process, each job in a folder of its own under `work`.

    `env` is added to the program's environment: where Comet is, for instance.
    """

    def __init__(self, work: Path, *, env: Mapping[str, str] | None = None) -> None:
        self.work = work
        self.env = dict(env or {})

    def train(self, job: TrainingJob, on_progress: Callable[[Progress], None] | None = None) -> TrainedModel:
        """See `Trainer.train`. A run that was cut short goes on from its last checkpoint."""
        root = self._root(job)
        root.mkdir(parents=True, exist_ok=True)
        with disk.try_lock(root / "lock", lambda holder: busy(job, holder)):
            if model := finished_model(root / "model"):
                return model
            self._stage(job, root)
            self._run(job, root, on_progress or (lambda progress: None))
            shutil.rmtree(root / "checkpoints", ignore_errors=True)
            model = finished_model(root / "model")
        if model is None:
            raise TrainingFailed(f"{job.name} ended well but left no whole model in {root / 'model'}. Run it again.")
        return msgspec.structs.replace(model, reused=False)

    def most_usd(self) -> float:
        """See `Trainer.most_usd`."""
        return 0.0

    def check(self) -> None:
        """See `Trainer.check`. Nothing is needed."""

    def discard(self, job: TrainingJob) -> None:
        """See `Trainer.discard`."""
        for part in ("model", "checkpoints", "input", "cache"):
            shutil.rmtree(self._root(job) / part, ignore_errors=True)

    def _root(self, job: TrainingJob) -> Path:
        return self.work / job.name

    def _stage(self, job: TrainingJob, root: Path) -> None:
        """Lays the job's input out as the contract says; the base model stays where it is."""
        for channel, file in job.channels.items():
            folder = root / "input" / "data" / channel
            shutil.rmtree(folder, ignore_errors=True)
            if file is not None:
                folder.mkdir(parents=True)
                shutil.copyfile(file, folder / file.name)
        config = root / "input" / "config"
        config.mkdir(parents=True, exist_ok=True)
        values = {**to_hyperparameters(job.recipe, job.provenance), "save_steps": str(job.save_steps)}
        (config / "hyperparameters.json").write_text(json.dumps(values, indent=2), encoding="utf-8")

    def _run(self, job: TrainingJob, root: Path, on_progress: Callable[[Progress], None]) -> None:
        def on_line(line: str) -> None:
            if progress := parse(line):
                on_progress(progress)

        command = [sys.executable, "-m", "twin.training.program", "--root", str(root)]
        env = {**_environment(root), "SM_CHANNEL_BASE": str(job.base.folder), **self.env}
        env |= {RUN_VARIABLE: job.run_id} if job.run_id else {}
        child = Child(
            f"train-{job.name}",
            command,
            env=env,
            log=root / "output" / "train.log",
            on_line=on_line,
            grace=STOP_SECONDS,
            orphan_grace=ORPHAN_SECONDS,
        )
        try:
            code = child.wait()
        finally:
            child.stop()
        if code == INTERRUPTED:
            raise TrainingFailed(f"Training {job.name} was interrupted; its checkpoint is kept. Run it again to go on.")
        if code != 0:
            raise TrainingFailed(_why(job, root, code), detail=child.last_lines())


def train(
    train_file: Path,
    base: BaseModel,
    recipe: Recipe,
    work: Path,
    *,
    dataset_version: str,
    test_file: Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainedModel:
    """Trains on this machine, or returns the model that the same job made before.

    Raises:
        TrainingFailed: With the program's reason.
    """
    job = TrainingJob(dataset_version=dataset_version, base=base, recipe=recipe, train=train_file, test=test_file)
    return LocalTrainer(work).train(job, on_progress)


def job_name(
    dataset_version: str, code_version: str, base_sha256: str, recipe_hash: str, preference_version: str = ""
) -> str:
    """Of a training on a dataset, by a version of the code, of a base model, with a recipe (which has the seed), and on
    preference pairs where there are any."""
    pairs = [preference_version] if preference_version else []
    return f"llm-twin-{content_hash(dataset_version, code_version, base_sha256, recipe_hash, *pairs)[:16]}"


def finished_model(folder: Path) -> TrainedModel | None:
    """The model in a folder, if it is whole."""
    try:
        return TrainedModel(folder=folder, manifest=model_folder.verify(folder), reused=True)
    except ArtifactError:
        return None


def busy(job: TrainingJob, holder: str) -> TrainingFailed:
    """The error for a job that somebody on this machine already waits for."""
    return TrainingFailed(f"Training {job.name} is already running ({holder}). Wait for it to end.")


def _why(job: TrainingJob, root: Path, code: int) -> str:
    """The program's own reason where it left one; a kill leaves none."""
    log = root / "output" / "train.log"
    try:
        reason = (root / "output" / "failure").read_text(encoding="utf-8")
    except FileNotFoundError:
        reason = f"the program was ended from outside (exit code {code}); perhaps memory ran out"
    return f"Training {job.name} failed: {reason} Its log is {log}."


def _environment(root: Path) -> dict[str, str]:
    return {
        **compute.environment(),
        "HF_DATASETS_CACHE": str(root / "cache"),
        # Toolkit variables of an outer container would lead the program to that container's channels.
        "SM_MODEL_DIR": "",
        "SM_CHANNEL_TRAIN": "",
        "SM_CHANNEL_TEST": "",
        "SM_CHANNEL_PREFERENCE": "",
    }
