"""What an hour of an instance costs: `prices.yaml`, dated, and what the settings put above it."""

from __future__ import annotations

import functools
from datetime import date  # noqa: TC003 - msgspec reads it
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import yaml
from msgspec import Meta

from twin.errors import SettingsError

if TYPE_CHECKING:
    from twin.settings import AwsSettings

__all__ = ["Instance", "Price", "PriceTable", "price_of", "table"]


class Instance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an instance type is, and its price an hour."""

    price: Annotated[float, Meta(gt=0)]
    gpus: Annotated[int, Meta(ge=0)]
    gpu_gb: float
    """Memory of one GPU."""
    tflops: Annotated[float, Meta(gt=0)]
    """Of one GPU, 16 bits, dense; of all cores where there is no GPU."""
    memory_gb: float

    @property
    def total_tflops(self) -> float:
        """Of all its GPUs."""
        return self.tflops * max(1, self.gpus)


class PriceTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The prices of one day."""

    date: date
    currency: str
    region: str
    source: str
    training: dict[str, Instance]
    """Of SageMaker training jobs, by instance type."""

    def alternatives(self, instance_type: str) -> list[str]:
        """Types with at least as many GPUs of at least as much memory, the cheapest first."""
        wanted = self.training.get(instance_type)
        if wanted is None:
            return []
        return sorted(
            (
                name
                for name, one in self.training.items()
                if name != instance_type
                and (one.gpus > 0) == (wanted.gpus > 0)
                and one.gpu_gb * one.gpus >= wanted.gpu_gb * wanted.gpus
                and one.gpu_gb >= wanted.gpu_gb
                and one.memory_gb >= wanted.memory_gb
            ),
            key=lambda name: self.training[name].price,
        )


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What an hour of an instance type costs here, and who says so."""

    instance_type: str
    usd_per_hour: float
    source: str

    def usd(self, seconds: float) -> float:
        """The cost of so many billed seconds."""
        return self.usd_per_hour * seconds / 3600


@functools.cache
def table() -> PriceTable:
    """The table that comes with the platform."""
    content = yaml.safe_load(Path(__file__).with_name("prices.yaml").read_text(encoding="utf-8"))
    return msgspec.convert(content, PriceTable)


def price_of(instance_type: str, settings: AwsSettings) -> Price:
    """The price of a training job's instance type.

    Raises:
        SettingsError: The table does not know it, and AWS_PRICE_PER_HOUR is not set.
    """
    if settings.price_per_hour is not None:
        return Price(instance_type=instance_type, usd_per_hour=settings.price_per_hour, source="AWS_PRICE_PER_HOUR")
    prices = table()
    if instance_type not in prices.training:
        raise SettingsError(
            f"The price table of {prices.date} does not know {instance_type}, so no cost can be told. Set "
            f"AWS_PRICE_PER_HOUR to its price, or choose one of {', '.join(prices.training)}."
        )
    source = f"{prices.source}, {prices.region}, {prices.date}"
    return Price(instance_type=instance_type, usd_per_hour=prices.training[instance_type].price, source=source)
