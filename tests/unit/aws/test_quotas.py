from __future__ import annotations

from twin.aws.quotas import Quota, quota_name, refusal


def quota(kind: str, value: float) -> Quota:
    return Quota(name=quota_name(kind, spot=False), code=f"L-{kind}", value=value)


def test_a_refusal_names_the_quota_its_page_and_what_the_account_may_use() -> None:
    known = {"ml.g5.xlarge": quota("ml.g5.xlarge", 0), "ml.g5.2xlarge": quota("ml.g5.2xlarge", 1)}
    said = refusal("eu-west-1", "ml.g5.xlarge", known, spot=False).message
    assert "'ml.g5.xlarge for training job usage' is 0 here" in said
    assert (
        "https://eu-west-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas/L-ml.g5.xlarge " in said
    )
    assert "what this account may use: ml.g5.2xlarge ($1.51/h)" in said
    assert "ml.g6" not in said


def test_where_the_quotas_are_not_known_it_names_types_that_are_as_large() -> None:
    said = refusal("eu-west-1", "ml.g5.xlarge", {}, spot=True).message
    assert "'ml.g5.xlarge for spot training job usage' does not suffice" in said
    assert "one that is as large: ml.g6.2xlarge ($1.22/h)" in said


def test_where_nothing_may_be_used_it_says_so() -> None:
    said = refusal("eu-west-1", "ml.g5.xlarge", {"ml.g5.xlarge": quota("ml.g5.xlarge", 0)}, spot=False).message
    assert "all of which have a quota of 0 here too" in said
