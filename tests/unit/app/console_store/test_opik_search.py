"""Opik's filters as MongoDB queries."""

from __future__ import annotations

import pytest

from app.console.store.opik_search import MAX_RESULTS, Filter, Search, anywhere, query
from twin.errors import InputError


def test_a_search_asks_for_its_project_and_goes_on_behind_the_last_id() -> None:
    assert query(Search(project_name="p", last_retrieved_id="07")) == {
        "$and": [{"project_name": "p"}, {"_id": {"$lt": "07"}}]
    }
    assert query(Search()) == {}


def test_text_is_matched_literally() -> None:
    built = query(Search(filters=[Filter(field="name", operator="contains", value="a.*b")]))

    assert built == {"$and": [{"name": {"$regex": r"a\.\*b", "$options": "i"}}]}


def test_times_are_compared_in_microseconds() -> None:
    built = query(Search(filters=[Filter(field="start_time", operator=">=", value="1970-01-01T00:00:01Z")]))

    assert built == {"$and": [{"start_time": {"$gte": 1_000_000}}]}


@pytest.mark.parametrize(
    "unknown",
    [
        Filter(field="cost", operator=">", value="1"),
        Filter(field="name", operator="sounds_like", value="x"),
        Filter(field="start_time", operator=">", value="yesterday"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_and_not_ignored(unknown: Filter) -> None:
    with pytest.raises(InputError, match=r"cannot filter|not an ISO 8601 time"):
        query(Search(filters=[unknown]))


def test_a_limit_stays_within_bounds() -> None:
    assert Search(limit=10**9).limit == MAX_RESULTS
    assert Search(limit=-1).limit == 1


def test_text_is_found_as_json_keeps_it() -> None:
    fields = {next(iter(part)): next(iter(part.values()))["$regex"] for part in anywhere('say "hi"')["$or"]}

    assert fields["name"] == r'say\ "hi"'
    assert fields["input"] == r"say\ \\\"hi\\\"".replace('\\"', '"')


def test_no_text_means_every_trace() -> None:
    assert anywhere("  ") == {}
