from __future__ import annotations

import pytest

from twin.aws import names
from twin.errors import SettingsError
from twin.settings import AwsSettings

JOB = "llm-twin-0123456789abcdef"


@pytest.mark.parametrize("attempt", [1, 2, 12])
def test_an_attempt_is_read_from_its_name(attempt: int) -> None:
    assert names.attempt_of(JOB, names.attempt_name(JOB, attempt)) == attempt


@pytest.mark.parametrize("name", [f"{JOB}0", f"{JOB}-2-x", f"x-{JOB}", f"{JOB}-0"])
def test_another_jobs_name_is_no_attempt(name: str) -> None:
    assert names.attempt_of(JOB, name) is None


def test_the_first_attempt_has_the_jobs_own_name() -> None:
    assert names.attempt_name(JOB, 1) == JOB


def test_everything_is_tagged_and_the_settings_add_and_change() -> None:
    settings = AwsSettings.model_validate({"AWS_TAGS": "team=writing, application=other"})
    assert names.tags(settings, dataset_version="d1") == {
        "application": "other",
        "dataset-version": "d1",
        "team": "writing",
    }


@pytest.mark.parametrize("tags", ["team", "aws:team=x", "te*m=x", "=x"])
def test_tags_that_aws_does_not_take_are_refused(tags: str) -> None:
    with pytest.raises(SettingsError, match="key=value"):
        names.tags(AwsSettings.model_validate({"AWS_TAGS": tags}))


def test_pages_lead_to_the_job_its_log_and_its_quota() -> None:
    assert names.job_page("eu-west-1", JOB).endswith(f"region=eu-west-1#/jobs/{JOB}")
    assert "log-group/$252Faws$252Fsagemaker$252FTrainingJobs$3F" in names.log_page("eu-west-1", JOB)
    assert names.quota_page("eu-west-1", "L-1").endswith("/servicequotas/home/services/sagemaker/quotas/L-1")
    assert names.quota_page("eu-west-1").endswith("/sagemaker/quotas")
