"""Quotas of SageMaker: what is allowed of an instance type, where more is asked for, and what would do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from twin.aws import names, prices
from twin.aws.session import make_client, region_of, speaking
from twin.errors import CloudUnavailable, NotAuthorized, QuotaExceeded

if TYPE_CHECKING:
    from collections.abc import Mapping

    import boto3

__all__ = ["Quota", "exceeded", "quota_name", "refusal", "training_quotas"]

SUFFIX = {False: " for training job usage", True: " for spot training job usage"}
SHOWN = 5


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """How many instances of a type training jobs may use at once."""

    name: str
    code: str
    value: float


def quota_name(instance_type: str, *, spot: bool) -> str:
    """What AWS calls the quota of an instance type."""
    return f"{instance_type}{SUFFIX[spot]}"


def training_quotas(session: boto3.Session, *, spot: bool) -> dict[str, Quota]:
    """The quotas of training jobs, by instance type, as they apply to this account and region.

    Raises:
        NotAuthorized: servicequotas:ListServiceQuotas is not allowed.
        CloudUnavailable: Service Quotas does not answer.
    """
    client = make_client(session, "service-quotas")
    with speaking("AWS Service Quotas"):
        pages = client.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
        found = [quota for page in pages for quota in page["Quotas"]]
    return {quota["QuotaName"].removesuffix(SUFFIX[spot]): _quota(quota) for quota in found if _is(quota, spot)}


def exceeded(session: boto3.Session, instance_type: str, said: str, *, spot: bool) -> QuotaExceeded:
    """The error for a job that a quota refused: names the quota, the page of the request and what would do instead."""
    try:
        quotas = training_quotas(session, spot=spot)
    except (CloudUnavailable, NotAuthorized):
        quotas = {}  # then what may be used is not known, and the page of all quotas has to do
    return refusal(region_of(session), instance_type, quotas, said, spot=spot)


def refusal(
    region: str, instance_type: str, quotas: Mapping[str, Quota], said: str = "", *, spot: bool
) -> QuotaExceeded:
    """The same, with the quotas as they are known."""
    mine = quotas.get(instance_type)
    page = names.quota_page(region, mine.code if mine else None)
    return QuotaExceeded(
        f"SageMaker takes no such job now: the quota '{quota_name(instance_type, spot=spot)}' "
        f"{f'is {mine.value:g} here' if mine else 'does not suffice'}. Ask for more at {page} (a day or two), or set "
        f"SAGEMAKER_TRAINING_INSTANCE to {_instead(instance_type, quotas)}. Trying again without that does not help.",
        detail=said,
    )


def _instead(instance_type: str, quotas: Mapping[str, Quota]) -> str:
    candidates = prices.table().alternatives(instance_type)
    allowed = [name for name in candidates if name in quotas and quotas[name].value >= 1]
    if allowed:
        return f"what this account may use: {', '.join(map(_priced, allowed[:SHOWN]))}"
    if not candidates:
        return "another type"
    known = ", all of which have a quota of 0 here too" if quotas else ", each of which has a quota of its own"
    return f"one that is as large: {', '.join(map(_priced, candidates[:SHOWN]))}{known}"


def _priced(instance_type: str) -> str:
    return f"{instance_type} (${prices.table().training[instance_type].price:.2f}/h)"


def _is(quota: dict[str, Any], spot: bool) -> bool:
    return quota["QuotaName"].startswith("ml.") and quota["QuotaName"].endswith(SUFFIX[spot])


def _quota(quota: dict[str, Any]) -> Quota:
    return Quota(name=quota["QuotaName"], code=quota["QuotaCode"], value=quota["Value"])
