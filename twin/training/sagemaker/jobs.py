"""SageMaker's training jobs: found by name, asked how they are, stopped."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads it
from typing import TYPE_CHECKING, Any

import msgspec

from twin.aws import names, quotas
from twin.aws.session import code_of, make_client, region_of, speaking
from twin.errors import CloudUnavailable, SettingsError
from twin.records import utcnow
from twin.training.sagemaker.submit import submit

if TYPE_CHECKING:
    from collections.abc import Iterator

    import boto3

    from twin.training.sagemaker.request import JobRequest

__all__ = ["JobState", "Jobs"]

SERVICE = "SageMaker"
RUNNING = frozenset({"InProgress", "Stopping"})
GONE = "not found"


class JobState(msgspec.Struct, frozen=True, kw_only=True):
    """A training job as SageMaker describes it."""

    name: str
    status: str
    """`InProgress`, `Stopping`, `Completed`, `Failed` or `Stopped`."""
    phase: str = ""
    """More exactly: `Pending`, `Downloading`, `Training`, `Uploading`, `Interrupted`, `MaxRuntimeExceeded`, ..."""
    reason: str = ""
    """Of a failure."""
    instance_type: str
    created: datetime
    max_seconds: int
    billed_seconds: int | None = None
    """What is paid for; known at the end."""
    artifacts: str | None = None
    """Where the model is, when there is one."""

    @property
    def is_running(self) -> bool:
        return self.status in RUNNING

    @property
    def is_stopping(self) -> bool:
        return self.status == "Stopping"

    @property
    def is_completed(self) -> bool:
        return self.status == "Completed"


class Jobs:
    """The training jobs of one account and region."""

    def __init__(self, session: boto3.Session) -> None:
        self.session = session
        self._client = make_client(session, "sagemaker")

    @property
    def region(self) -> str:
        return region_of(self.session)

    def latest(self, job: str) -> tuple[int, JobState | None]:
        """The newest attempt at a job and its number; 0 and None where there was none."""
        attempts = [names.attempt_of(job, name) or 0 for name in self._names(NameContains=job)]
        newest = max(attempts, default=0)
        return newest, self.describe(names.attempt_name(job, newest)) if newest else None

    def since(self, moment: datetime) -> Iterator[JobState]:
        """Our jobs that were created since a moment."""
        for name in self._names(NameContains=f"{names.APPLICATION}-", CreationTimeAfter=moment):
            if name.startswith(f"{names.APPLICATION}-") and (state := self.describe(name)):
                yield state

    def describe(self, name: str) -> JobState | None:
        """A job as it is now; None where there is none of that name."""
        from botocore.exceptions import ClientError

        try:
            with speaking(SERVICE):
                return _state(self._client.describe_training_job(TrainingJobName=name))
        except ClientError as error:
            if GONE in str(error):
                return None
            raise

    def create(self, request: JobRequest) -> bool:
        """Starts a job; False where one of its name was started meanwhile.

        Raises:
            QuotaExceeded: The account may not use the instances; names the quota and what would do.
            SettingsError: SageMaker does not accept the request.
        """
        from botocore.exceptions import ClientError

        try:
            with speaking(SERVICE):
                submit(self.session, request)
        except ClientError as error:
            code, said = code_of(error), error.response["Error"].get("Message", "")
            if code == "ResourceInUse":
                return False
            if code == "ResourceLimitExceeded":
                spot = request.wait_seconds is not None
                raise quotas.exceeded(self.session, request.instance_type, said, spot=spot) from error
            raise SettingsError(
                f"SageMaker does not accept the job {request.name}: {said} Check SAGEMAKER_* and AWS_*."
            ) from error
        except ValueError as error:  # the SDK's own checks, of the role among others
            raise SettingsError(
                f"The job {request.name} was not started: {error} Check SAGEMAKER_* and AWS_*."
            ) from error
        return True

    def stop(self, name: str) -> None:
        """Asks a job to end, which gives it two minutes to save a checkpoint. One that has ended is left as it is."""
        from botocore.exceptions import ClientError

        try:
            with speaking(SERVICE):
                self._client.stop_training_job(TrainingJobName=name)
        except ClientError:
            state = self.describe(name)
            if state is not None and state.is_running:
                raise

    def _names(self, **having: Any) -> Iterator[str]:
        with speaking(SERVICE):
            for page in self._client.get_paginator("list_training_jobs").paginate(**having):
                yield from (summary["TrainingJobName"] for summary in page["TrainingJobSummaries"])

    def check(self) -> None:
        """Asks SageMaker for something small.

        Raises:
            NotAuthorized: We may not.
            CloudUnavailable: It does not answer.
        """
        with speaking(SERVICE):
            self._client.list_training_jobs(MaxResults=1)


def _state(described: dict[str, Any]) -> JobState:
    try:
        return JobState(
            name=described["TrainingJobName"],
            status=described["TrainingJobStatus"],
            phase=described.get("SecondaryStatus", ""),
            reason=described.get("FailureReason", ""),
            instance_type=described["ResourceConfig"]["InstanceType"],
            created=described.get("CreationTime") or utcnow(),
            max_seconds=described["StoppingCondition"]["MaxRuntimeInSeconds"],
            billed_seconds=described.get("BillableTimeInSeconds"),
            artifacts=described.get("ModelArtifacts", {}).get("S3ModelArtifacts"),
        )
    except KeyError as error:
        raise CloudUnavailable(f"SageMaker describes a job without its {error}. Look at it in the console.") from error
