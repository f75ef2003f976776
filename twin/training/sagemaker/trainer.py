"""The trainer whose jobs run on SageMaker."""

from __future__ import annotations

import shutil
import time
from functools import cached_property
from typing import TYPE_CHECKING

from twin import disk
from twin.artifacts import model_folder
from twin.aws import budget, names, prices
from twin.aws.session import make_session
from twin.aws.storage import Storage, files_in
from twin.errors import ArtifactError, CloudUnavailable, NotAuthorized, SettingsError, TrainingFailed
from twin.processes.logs import LogFile
from twin.records import utcnow
from twin.settings import AwsSettings, SageMakerSettings, read
from twin.training.job import TrainedModel, busy, finished_model
from twin.training.progress import Progress, parse
from twin.training.sagemaker import cost, readiness, request
from twin.training.sagemaker.jobs import Jobs
from twin.training.sagemaker.logs import LogTail
from twin.training.sagemaker.record import record_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twin.aws.prices import Price
    from twin.outside import Server
    from twin.training.job import TrainingJob
    from twin.training.sagemaker.jobs import JobState

    OnProgress = Callable[[Progress], None]

__all__ = ["SageMakerTrainer"]

PATIENCE = 20
"""So many times in a row AWS may fail to answer before following a job is given up. The job goes on."""


class SageMakerTrainer:
    """Runs the train program as training jobs, which are followed and whose models are brought to `work`.

    A job has a name that says what it makes. So whoever wants the same model, after a crash or on another machine,
    finds the job that runs or has ended and starts none. A job that failed or was stopped is tried again under the next
    name, from its last checkpoint.

    Args:
        work: Where logs are kept, and models until they are published.
        comet: Tells where experiments are recorded; None for nowhere.
        aws: For tests; else the settings.
        settings: The same.
    """

    def __init__(
        self,
        work: Path,
        *,
        comet: Callable[[], Server | None] = lambda: None,
        aws: AwsSettings | None = None,
        settings: SageMakerSettings | None = None,
    ) -> None:
        self.work = work
        self._comet = comet
        self.aws = aws or read(AwsSettings)
        self.settings = settings or read(SageMakerSettings)

    @cached_property
    def jobs(self) -> Jobs:
        """The account's training jobs."""
        return Jobs(make_session(self.aws))

    @cached_property
    def storage(self) -> Storage:
        """Where jobs find their input and leave their output."""
        if self.settings.bucket is None:
            raise SettingsError("Training on SageMaker needs SAGEMAKER_BUCKET. Set it, or TRAINING_PLACE=here.")
        return Storage(self.jobs.session, self.settings.bucket, kms_key=self.aws.kms_key)

    @property
    def price(self) -> Price:
        """Of an hour of the instance that jobs run on."""
        return prices.price_of(self.settings.instance_type, self.aws)

    def train(self, job: TrainingJob, on_progress: OnProgress | None = None) -> TrainedModel:
        """See `Trainer.train`. Interrupted (Ctrl-C, a cancelled run), it stops the job; killed or cut off, it does not.

        Raises:
            BudgetExceeded: A job has to be started, and nobody allowed what it may cost.
            QuotaExceeded: The account may not use the instances.
        """
        root = self.work / job.name
        root.mkdir(parents=True, exist_ok=True)
        with disk.try_lock(root / "lock", lambda holder: busy(job, holder)):
            if model := finished_model(root / "model"):
                return model
            return self._train(job, root, on_progress or (lambda progress: None))

    def most_usd(self) -> float:
        """See `Trainer.most_usd`."""
        return self.price.usd(self.settings.max_hours * 3600)

    def check(self) -> None:
        """See `Trainer.check`: settings, credentials, the bucket, and the quota."""
        readiness.check(self.jobs, self.storage, self.aws, self.settings)

    def discard(self, job: TrainingJob) -> None:
        """See `Trainer.discard`. A job that runs is stopped. The base model stays on S3, where other jobs find it."""
        for part in ("model", "arriving"):
            shutil.rmtree(self.work / job.name / part, ignore_errors=True)
        _, state = self.jobs.latest(job.name)
        if state is not None and state.is_running:
            self.jobs.stop(state.name)
            self._follow(job, state.name, self.work / job.name, lambda progress: None)
        self.storage.delete_folder(request.job_folder(job))

    def spent_this_month(self) -> float:
        """What our jobs have cost in USD since the month began, with those that run taken at their most."""
        jobs = self.jobs.since(budget.month_of(utcnow()))
        return sum(cost.cost_of(state, prices.price_of(state.instance_type, self.aws)) for state in jobs)

    def _train(self, job: TrainingJob, root: Path, on_progress: OnProgress) -> TrainedModel:
        while True:
            attempt, state = self.jobs.latest(job.name)
            if state is not None and state.is_completed and (model := self._bring_back(job, state, root)):
                return model
            found = state if state is not None and state.is_running else None
            name = found.name if found else names.attempt_name(job.name, attempt + 1)
            try:
                if not found and not self._start(job, attempt + 1, on_progress):
                    continue  # another client was faster: its job is the one
                on_progress(self._event("adopted" if found else "started", name))
                state = self._follow(job, name, root, on_progress)
            except Exception:
                raise  # the job goes on, and the next attempt finds it
            except BaseException:
                self.jobs.stop(name)
                raise
            if found and found.is_stopping and not state.is_completed:
                continue  # it was stopped before we came, so it is no fault of this run
            if not state.is_completed:
                raise self._failed(state, root)

    def _start(self, job: TrainingJob, attempt: int, on_progress: OnProgress) -> bool:
        wanted = request.request_for(job, attempt, self.storage, self.aws, self.settings)
        expense = cost.expense_of(job, self.price, wanted.max_seconds)
        budget.allow(
            expense,
            monthly_usd=self.aws.budget_usd,
            spent_usd=self.spent_this_month,
            confirmed_usd=job.spend_usd,
        )
        on_progress(Progress(event="uploading", detail={"to": self.storage.url(request.job_folder(job))}))
        self._upload(job)
        return self.jobs.create(wanted)

    def _upload(self, job: TrainingJob) -> None:
        self.storage.put(request.base_folder(job), files_in(job.base.folder))
        for channel, file in job.channels.items():
            if file is not None:
                self.storage.put(request.channel_folder(job, channel), {file.name: file})

    def _follow(self, job: TrainingJob, name: str, root: Path, on_progress: OnProgress) -> JobState:
        """Until the job has ended: its phases, its lines and their progress."""
        log = LogFile.opened(root / "output" / "train.log")
        tail = LogTail(self.jobs.session, name)
        phase, failures = "", 0
        with record_of(job, self._comet(), root / "output" / "comet") as note:
            while True:
                try:
                    state, lines = self._look(name, tail)
                    failures = 0
                except CloudUnavailable as error:
                    failures += 1
                    if failures == PATIENCE:
                        raise CloudUnavailable(f"{error} The job {name} goes on; run again to follow it.") from error
                    time.sleep(self.settings.poll_seconds)
                    continue
                for line in lines:
                    log.write(line)
                    if progress := parse(line):
                        note(progress)
                        on_progress(progress)
                if state.phase != phase:
                    phase = state.phase
                    on_progress(Progress(event=f"job {phase}", detail={"job": name}))
                if not state.is_running:
                    log.close()
                    return state
                time.sleep(self.settings.poll_seconds)

    def _look(self, name: str, tail: LogTail) -> tuple[JobState, list[str]]:
        """The state is asked first: of a job that has ended, all lines are there."""
        state = self.jobs.describe(name)
        if state is None:
            raise TrainingFailed(f"The job {name} is not there any more: somebody deleted it. Run again.")
        try:
            return state, tail.new_lines()
        except NotAuthorized:  # a job whose lines we may not read can be waited for all the same
            return state, []

    def _bring_back(self, job: TrainingJob, state: JobState, root: Path) -> TrainedModel | None:
        """The model of a job that ended well, every file of it checked; None where it is no longer on S3."""
        base = self.storage.url("")
        if not state.artifacts or not state.artifacts.startswith(base):
            return None
        arriving = root / "arriving"
        shutil.rmtree(arriving, ignore_errors=True)
        if not self.storage.get_folder(state.artifacts.removeprefix(base).rstrip("/"), arriving):
            return None
        try:
            manifest = model_folder.verify(arriving)
        except ArtifactError as error:
            raise ArtifactError(
                f"The model that {state.name} left at {state.artifacts} is not whole. {error}"
            ) from error
        facts = self._facts(job, state)
        shutil.rmtree(root / "model", ignore_errors=True)
        arriving.rename(root / "model")
        return TrainedModel(folder=root / "model", manifest=manifest, ran=facts)

    def _facts(self, job: TrainingJob, state: JobState) -> dict[str, float | str]:
        price = prices.price_of(state.instance_type, self.aws)
        return {
            "trained_on": f"SageMaker, {self.jobs.region}",
            "sagemaker_job": state.name,
            "sagemaker_page": names.job_page(self.jobs.region, state.name),
            "instance_type": state.instance_type,
            "price_per_hour_usd": price.usd_per_hour,
            "price_source": price.source,
            "expected_cost_usd": round(cost.expense_of(job, price, state.max_seconds).expected_usd, 4),
            "cost_usd": round(cost.cost_of(state, price), 4),
            "billed_seconds": float(state.billed_seconds or 0),
        }

    def _event(self, event: str, name: str) -> Progress:
        price = self.price
        detail = {
            "job": name,
            "instance": price.instance_type,
            "usd_per_hour": price.usd_per_hour,
            "page": names.job_page(self.jobs.region, name),
        }
        return Progress(event=event, detail=detail)

    def _failed(self, state: JobState, root: Path) -> TrainingFailed:
        where = f"Its log is {root / 'output' / 'train.log'} and {names.log_page(self.jobs.region, state.name)} ."
        if state.phase == "MaxRuntimeExceeded":
            return TrainingFailed(
                f"Training {state.name} was stopped: it ran longer than SAGEMAKER_MAX_HOURS. Raise it (it is "
                f"{self.settings.max_hours:g}) and run again: training goes on from its last checkpoint. {where}"
            )
        if state.status == "Stopped":
            return TrainingFailed(
                f"Training {state.name} was stopped. Run again: it goes on from its last checkpoint. {where}"
            )
        if state.reason.startswith("CapacityError"):
            others = ", ".join(prices.table().alternatives(state.instance_type)[:5])
            return TrainingFailed(
                f"Training {state.name} found no {state.instance_type} free in {self.jobs.region}. Run again later, or "
                f"set SAGEMAKER_TRAINING_INSTANCE to another, for example {others}."
            )
        return TrainingFailed(f"Training {state.name} failed: {state.reason} {where}")
