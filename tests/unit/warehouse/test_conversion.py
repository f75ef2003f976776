"""Records to rows and back, and what may be shown of a connection string."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import bson
from bson.codec_options import CodecOptions
from hypothesis import given
from hypothesis import strategies as st

from twin.records import CleanedDocument
from twin.warehouse.connection import host_of
from twin.warehouse.conversion import from_row, storable_time, to_row

text = st.text(st.characters(codec="utf-8"), max_size=50)
moments = st.datetimes(
    min_value=datetime(1980, 1, 1),
    max_value=datetime(2100, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9))]),
)
cleaned_documents = st.builds(
    CleanedDocument,
    id=text,
    url=text,
    source_id=text,
    author=text,
    title=text,
    content=text,
    published_at=st.none() | moments.map(storable_time),
    raw_hash=text,
    redactions=st.dictionaries(st.text("ABCXYZ_", min_size=1), st.integers(0, 99)),
    duplicate_of=st.none() | text,
)


@given(cleaned_documents)
def test_a_record_survives_the_way_through_bson(document: CleanedDocument) -> None:
    encoded = bson.encode({**to_row(document), "hash": document.hash})
    read = from_row(bson.decode(encoded, CodecOptions(tz_aware=True)), CleanedDocument)
    assert read == document
    assert read.hash == document.hash


@given(moments)
def test_a_storable_time_is_utc_to_the_millisecond_and_stays_so(moment: datetime) -> None:
    stored = storable_time(moment)
    assert stored is not None
    assert stored.tzinfo is UTC
    assert stored.microsecond % 1_000 == 0
    assert timedelta() <= moment - stored < timedelta(milliseconds=1)
    assert storable_time(stored) == stored


def test_a_time_without_a_zone_is_taken_as_utc() -> None:
    assert storable_time(datetime(2024, 1, 2, 3)) == datetime(2024, 1, 2, 3, tzinfo=UTC)
    assert storable_time(None) is None


@given(st.text(st.characters(codec="ascii", exclude_characters="/?@"), max_size=20))
def test_a_host_shows_no_credentials(password: str) -> None:
    host = host_of(f"mongodb+srv://me:{password}@cluster.example.net/db?retryWrites=true&authSource=admin")
    assert host == "cluster.example.net"
