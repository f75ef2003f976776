"""A training job of ours as a request to SageMaker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from twin.aws import names
from twin.errors import SettingsError
from twin.training.recipe import to_hyperparameters

if TYPE_CHECKING:
    from twin.aws.storage import Storage
    from twin.settings import AwsSettings, SageMakerSettings
    from twin.training.job import TrainingJob

__all__ = ["JobRequest", "base_folder", "channel_folder", "check", "checkpoint_folder", "job_folder", "request_for"]

METRICS = {
    "train:loss": r'"event":"(?:preference_)?step".*?"loss":([0-9.eE+-]+)',
    "train:tokens_per_second": r'"tokens_per_second":([0-9.eE+-]+)',
    "test:loss": r'"event":"held_out".*?"loss":([0-9.eE+-]+)',
}
"""What CloudWatch draws, by what it looks for in the program's lines."""


class JobRequest(msgspec.Struct, frozen=True, kw_only=True):
    """All that SageMaker is told."""

    name: str
    image: str
    role: str
    channels: dict[str, str]
    """Where each input channel's files are."""
    output: str
    checkpoints: str
    hyperparameters: dict[str, str]
    instance_type: str
    volume_gb: int
    max_seconds: int
    wait_seconds: int | None
    """How long a spot job may take in all; None where it is no spot job."""
    subnets: list[str]
    security_groups: list[str]
    kms_key: str | None
    network_isolation: bool
    tags: dict[str, str]


def request_for(
    job: TrainingJob, attempt: int, storage: Storage, aws: AwsSettings, settings: SageMakerSettings
) -> JobRequest:
    """The request for an attempt at a job, whose channels are in the storage.

    Raises:
        SettingsError: A setting is missing that a job cannot do without.
    """
    check(aws, settings)
    seconds = round(settings.max_hours * 3600)
    present = [name for name, file in job.channels.items() if file is not None]
    return JobRequest(
        name=names.attempt_name(job.name, attempt),
        image=settings.image or "",
        role=settings.role or "",
        # with a slash at the end: else a channel is everything that begins with its name
        channels={name: f"{storage.url(channel_folder(job, name))}/" for name in present}
        | {"base": f"{storage.url(base_folder(job))}/"},
        output=storage.url(f"{job_folder(job)}/output"),
        checkpoints=storage.url(checkpoint_folder(job)),
        hyperparameters={**to_hyperparameters(job.recipe, job.provenance), "save_steps": str(job.save_steps)},
        instance_type=settings.instance_type,
        volume_gb=settings.volume_gb,
        max_seconds=seconds,
        wait_seconds=seconds + round(settings.spot_wait_hours * 3600) if settings.spot else None,
        subnets=_listed(aws.subnets),
        security_groups=_listed(aws.security_groups),
        kms_key=aws.kms_key,
        network_isolation=settings.network_isolation,
        tags=names.tags(aws, job=job.name, dataset_version=job.dataset_version, base_model=job.base.name),
    )


def check(aws: AwsSettings, settings: SageMakerSettings) -> None:
    """Returns if the settings suffice for a job.

    Raises:
        SettingsError: One is missing, or does not go with another.
    """
    needed = {
        "SAGEMAKER_BUCKET": settings.bucket,
        "SAGEMAKER_ROLE": settings.role,
        "SAGEMAKER_TRAINING_IMAGE": settings.image,
    }
    if missing := [name for name, value in needed.items() if not value]:
        raise SettingsError(f"Training on SageMaker needs {', '.join(missing)}. Set them, or TRAINING_PLACE=here.")
    if bool(_listed(aws.subnets)) != bool(_listed(aws.security_groups)):
        raise SettingsError("AWS_SUBNETS and AWS_SECURITY_GROUPS go together: set both, or neither.")
    names.tags(aws)  # refuses what AWS would


def job_folder(job: TrainingJob) -> str:
    """Where all of a job is, over all its attempts, except for the base model."""
    return f"jobs/{job.name}"


def channel_folder(job: TrainingJob, channel: str) -> str:
    """Where an input channel is."""
    return f"{job_folder(job)}/input/{channel}"


def checkpoint_folder(job: TrainingJob) -> str:
    """Where checkpoints are kept, which the next attempt goes on from."""
    return f"{job_folder(job)}/checkpoints"


def base_folder(job: TrainingJob) -> str:
    """Where the base model is, which jobs share."""
    return f"bases/{job.base.sha256[:32]}"


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
