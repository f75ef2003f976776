"""Copies in the real warehouse: which is canonical depends on the documents alone, however they came."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin import cleaning
from twin.cleaning.duplicates import copied_share, shingles
from twin.cleaning.linking import link
from twin.records import Document
from twin.warehouse import Warehouse
from twin.warehouse.copies import Copies

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

EARLY, LATE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
WORDS = [f"word{number}" for number in range(200)]


class State(NamedTuple):
    """What one document holds at a time."""

    window: int
    """Windows over one long text: neighbours are copies of one another, distant ones are not."""
    published: datetime | None


def text(window: int) -> str:
    if window < 0:
        return "Too short to be like another."
    return " ".join(WORDS[window * 4 : window * 4 + 90])


def document(name: str, content: str, published: datetime | None = None) -> Document:
    return Document(
        id=name,
        url=f"https://{name}.example.org",
        source_id="s",
        author="A",
        title="T",
        content=content,
        published_at=published,
    )


def expected(states: Mapping[str, State]) -> dict[str, str]:
    """Each copy and its canonical document, by the definition: no index, no order of arrival."""
    latest = datetime.max.replace(tzinfo=UTC)
    canonical: list[str] = []
    copies = {}
    for name in sorted(states, key=lambda one: (states[one].published or latest, f"https://{one}.example.org")):
        for senior in canonical:
            same = states[senior].window == states[name].window
            near = copied_share(shingles(text(states[senior].window)), shingles(text(states[name].window)))
            if same or near is not None:
                copies[name] = senior
                break
        else:
            canonical.append(name)
    return copies


def links(warehouse: Warehouse, names: Iterable[str]) -> dict[str, str]:
    found = {one.id: one.duplicate_of for one in warehouse.cleaned.read(list(names))}
    canonical = {one.id for one in warehouse.cleaned.read()}
    assert canonical == {name for name, original in found.items() if original is None}
    return {name: original for name, original in found.items() if original is not None}


def write(warehouse: Warehouse, states: Mapping[str, State]) -> None:
    documents = [document(name, text(state.window), state.published) for name, state in states.items()]
    warehouse.cleaned.write((cleaning.clean(one), one.hash) for one in documents)


@pytest.fixture(scope="module")
def shared_warehouse(mongo_uri: str) -> Iterator[Warehouse]:
    """One for all examples: making indexes takes longer than an example."""
    with Warehouse(mongo_uri, "test_near_duplicates") as warehouse:
        yield warehouse
        warehouse._connection.database.client.drop_database("test_near_duplicates")


names = st.sampled_from([f"d{number}" for number in range(7)])
states = st.builds(State, st.integers(-1, 6), st.sampled_from([None, EARLY, LATE]))
updates = st.lists(st.dictionaries(names, st.none() | states, max_size=5), min_size=1, max_size=5)


class CutOff(Exception):
    """The process died here."""


class Unreliable(Copies):
    """Dies at the n-th thing that linking writes, before it is written."""

    lives = 0

    def link(self, links: Iterable) -> None:
        self._live_on()
        super().link(links)

    def unlink(self, ids: Iterable[str]) -> None:
        self._live_on()
        super().unlink(ids)

    def _live_on(self) -> None:
        if self.lives == 0:
            raise CutOff
        self.lives -= 1


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(updates, st.integers(1, 6), st.integers(0, 6))
def test_the_outcome_does_not_depend_on_how_the_documents_came(
    shared_warehouse: Warehouse, batches: list, page_size: int, lives: int
) -> None:
    held = [key for key, _ in shared_warehouse.cleaned.input_stream()]
    shared_warehouse.cleaned.remove(held)
    now: dict[str, State] = {}
    unreliable = Unreliable(shared_warehouse._connection)
    unreliable.lives = lives
    for batch in batches:
        changed = {name: state for name, state in batch.items() if state is not None}
        removed = [name for name, state in batch.items() if state is None]
        write(shared_warehouse, changed)
        shared_warehouse.cleaned.remove(removed)
        now = {name: state for name, state in (now | changed).items() if name not in removed}
        try:
            link(unreliable, page_size)
        except CutOff:
            unreliable.lives = -1  # it never dies again
            link(unreliable, page_size)
        assert links(shared_warehouse, now) == expected(now)
        assert link(shared_warehouse.copies) == 0


def test_a_copy_of_a_copy_is_not_a_copy(shared_warehouse: Warehouse) -> None:
    shared_warehouse.cleaned.remove([key for key, _ in shared_warehouse.cleaned.input_stream()])
    chain = {f"d{number}": State(number * 2, EARLY) for number in range(4)}
    write(shared_warehouse, chain)
    link(shared_warehouse.copies)
    assert links(shared_warehouse, chain) == {"d1": "d0", "d3": "d2"}


def test_a_senior_that_comes_late_takes_its_copies_and_frees_theirs(shared_warehouse: Warehouse) -> None:
    shared_warehouse.cleaned.remove([key for key, _ in shared_warehouse.cleaned.input_stream()])
    first = {"d2": State(2, LATE), "d4": State(4, None), "d3": State(3, None)}
    write(shared_warehouse, first)
    link(shared_warehouse.copies)
    assert links(shared_warehouse, first) == {"d3": "d2", "d4": "d2"}
    write(shared_warehouse, {"d0": State(0, EARLY)})
    link(shared_warehouse.copies)
    assert links(shared_warehouse, ["d0", *first]) == {"d2": "d0", "d4": "d3"}
    write(shared_warehouse, {"d0": State(9, EARLY)})  # an edit splits the group
    link(shared_warehouse.copies)
    assert links(shared_warehouse, ["d0", *first]) == {"d3": "d2", "d4": "d2"}


def test_a_thousand_copies_are_linked_to_one_in_one_pass(warehouse: Warehouse) -> None:
    many = {f"d{number:04}": State(number % 2, None) for number in range(1_000)}
    write(warehouse, many)
    assert link(warehouse.copies) == 1_000
    assert links(warehouse, many) == dict.fromkeys(sorted(many)[1:], "d0000")
    warehouse.cleaned.remove(["d0000"])
    assert link(warehouse.copies) == 999
    assert set(links(warehouse, sorted(many)[1:]).values()) == {"d0001"}


@pytest.fixture
def warehouse(mongo_uri: str, mongo_database: str) -> Iterator[Warehouse]:
    with Warehouse(mongo_uri, mongo_database) as opened:
        yield opened
