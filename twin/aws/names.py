"""What our things are called on AWS, how they are tagged, and the console's pages about them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from twin.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twin.settings import AwsSettings

__all__ = [
    "APPLICATION",
    "attempt_name",
    "attempt_of",
    "job_page",
    "log_page",
    "quota_page",
    "tags",
]

APPLICATION = "llm-twin"
MAX_TAGS = 50
MAX_TAG_VALUE = 256
LOG_GROUP = "/aws/sagemaker/TrainingJobs"


def attempt_name(job: str, attempt: int) -> str:
    """The name of a training job's attempt: SageMaker never takes a name twice, not even that of a failed job.

    The first attempt has the job's own name, so whoever wants the same model finds the same job.
    """
    return job if attempt == 1 else f"{job}-{attempt}"


def attempt_of(job: str, name: str) -> int | None:
    """The attempt that a name is of; None where it is another job's."""
    match = re.fullmatch(rf"{re.escape(job)}(?:-([1-9]\d*))?", name)
    return int(match[1] or 1) if match else None


def tags(settings: AwsSettings, **ours: str) -> dict[str, str]:
    """The tags of everything that is made: the application, `ours`, and AWS_TAGS above them.

    Raises:
        SettingsError: AWS_TAGS is not `key=value,key=value`, or has what AWS does not take.
    """
    made = {
        "application": APPLICATION,
        **{name.replace("_", "-"): value[:MAX_TAG_VALUE] for name, value in ours.items()},
    }
    for pair in filter(None, (part.strip() for part in settings.tags.split(","))):
        key, separator, value = pair.partition("=")
        if not separator or not re.fullmatch(r"[\w .:/+@-]{1,128}", key) or key.lower().startswith("aws:"):
            raise SettingsError(f"AWS_TAGS has {pair!r}. Write key=value,key=value; a key may not begin with aws:.")
        made[key.strip()] = value.strip()[:MAX_TAG_VALUE]
    if len(made) > MAX_TAGS:
        raise SettingsError(f"AWS_TAGS makes {len(made)} tags, and AWS takes {MAX_TAGS}.")
    return made


def as_list(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as boto3 takes them."""
    return [{"Key": key, "Value": value} for key, value in values.items()]


def job_page(region: str, name: str) -> str:
    """The console's page of a training job."""
    return f"{_console(region)}/sagemaker/home?region={region}#/jobs/{name}"


def log_page(region: str, name: str) -> str:
    """The console's page of a training job's log streams."""
    group = quote(quote(LOG_GROUP, safe=""), safe="").replace("%", "$")
    place = f"logsV2:log-groups/log-group/{group}$3FlogStreamNameFilter$3D{name}"
    return f"{_console(region)}/cloudwatch/home?region={region}#{place}"


def quota_page(region: str, code: str | None = None) -> str:
    """The console's page where a SageMaker quota is raised; that of all of them where its code is not known."""
    page = f"{_console(region)}/servicequotas/home/services/sagemaker/quotas"
    return f"{page}/{code}" if code else page


def _console(region: str) -> str:
    return f"https://{region}.console.aws.amazon.com"
