"""Whether a job could be started, asked of AWS without starting one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from twin.aws import quotas
from twin.aws.session import identity
from twin.errors import NotAuthorized
from twin.training.sagemaker import request

if TYPE_CHECKING:
    from twin.aws.storage import Storage
    from twin.settings import AwsSettings, SageMakerSettings
    from twin.training.sagemaker.jobs import Jobs

__all__ = ["check"]


def check(jobs: Jobs, storage: Storage, aws: AwsSettings, settings: SageMakerSettings) -> None:
    """Returns if a job could be started.

    Raises:
        SettingsError: A setting is missing or leads nowhere.
        NotAuthorized: AWS does not know us, or does not allow what is needed.
        CloudUnavailable: AWS does not answer.
        QuotaExceeded: The account may not use the instances.
    """
    request.check(aws, settings)
    identity(jobs.session)
    storage.check()
    jobs.check()
    kind, spot = settings.instance_type, settings.spot
    with contextlib.suppress(NotAuthorized):  # jobs start without our knowing the quotas
        known = quotas.training_quotas(jobs.session, spot=spot)
        if kind in known and known[kind].value < 1:
            raise quotas.refusal(jobs.region, kind, known, spot=spot)
