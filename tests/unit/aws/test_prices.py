from __future__ import annotations

import pytest

from twin.aws import prices
from twin.errors import SettingsError
from twin.settings import AwsSettings


def test_the_table_is_dated_and_says_whose_prices_it_has() -> None:
    table = prices.table()
    assert table.date.year >= 2024
    assert table.source.startswith("https://aws.amazon.com/")
    price = prices.price_of("ml.g5.xlarge", AwsSettings())
    assert (price.usd_per_hour, price.usd(1800)) == (1.408, pytest.approx(0.704))
    assert str(table.date) in price.source


def test_a_price_of_ones_own_stands_above_the_table() -> None:
    price = prices.price_of("ml.new.xlarge", AwsSettings.model_validate({"AWS_PRICE_PER_HOUR": 2.0}))
    assert (price.usd_per_hour, price.source) == (2.0, "AWS_PRICE_PER_HOUR")


def test_an_unknown_type_has_no_price() -> None:
    with pytest.raises(SettingsError, match=r"does not know ml\.new\.xlarge.*AWS_PRICE_PER_HOUR.*ml\.g5\.xlarge"):
        prices.price_of("ml.new.xlarge", AwsSettings())


def test_what_would_do_instead_is_at_least_as_large_and_the_cheapest_comes_first() -> None:
    assert prices.table().alternatives("ml.g5.xlarge")[:2] == ["ml.g6.2xlarge", "ml.g5.2xlarge"]
    assert all("g4dn" not in name for name in prices.table().alternatives("ml.g5.xlarge"))
    assert prices.table().alternatives("ml.m5.large")[0] == "ml.c5.xlarge"
    assert prices.table().alternatives("ml.p5.48xlarge") == []
