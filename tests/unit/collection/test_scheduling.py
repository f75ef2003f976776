"""Many sources at once, with collectors that behave well, badly and never end."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Final

import pytest

from twin.collection import Session, scheduling
from twin.collection.events import Ended, Found, Idle
from twin.collection.scheduling import collect_all
from twin.collection.web.source_hosts import host_of
from twin.errors import SettingsError, SourceFailed, WarehouseUnavailable
from twin.records import Document, Source, document_id
from twin.settings import SourceSettings, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twin.collection.collector import Item
    from twin.collection.events import Event


class Scripted:
    """A collector that does what a test says."""

    kind: Final = "scripted"
    rank: Final = 0
    complete: Final = True
    accepts = "anything"

    def __init__(self, script: Callable[[Source, Session], Iterator[Item]]) -> None:
        self._script = script

    def recognise(self, location: str) -> str | None:
        return location

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        return self._script(source, session)


@pytest.fixture
def session() -> Iterator[Session]:
    with Session(read(SourceSettings)) as session:
        yield session


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Source, Session], Iterator[Item]]], None]:
    """Makes every source be read by a script."""
    return lambda script: monkeypatch.setattr(scheduling, "collector_of", lambda _: Scripted(script))


def sources(*locations: str) -> list[Source]:
    return [Source(kind="scripted", location=location, author="Ada") for location in locations]


def a_document(source: Source, name: object, content: str = "Words.") -> Document:
    url = f"{source.location}/{name}"
    return Document(id=document_id(url), url=url, source_id=source.id, author="Ada", title="x", content=content)


def without_pauses(events: Iterator[Event]) -> list[Found | Ended]:
    return [event for event in events if not isinstance(event, Idle)]


def names(events: list[Found | Ended], source: Source) -> list[str]:
    return [
        event.item.url.removeprefix(f"{source.location}/")
        for event in events
        if isinstance(event, Found) and event.source == source and isinstance(event.item, Document)
    ]


def living() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("collect-")]


def test_each_source_gives_its_items_in_order_and_then_its_end(session: Session, scripted: Callable) -> None:
    scripted(lambda source, _: (a_document(source, number) for number in range(20)))
    todo = sources(*(f"https://{host}.example/{path}" for host in "abc" for path in "xy"), "/notes", "/letters")
    events = without_pauses(collect_all([*todo, todo[0]], session))
    for source in todo:
        assert names(events, source) == [str(number) for number in range(20)]
        of = [event for event in events if event.source == source]
        assert of[-1] == Ended(source, complete=True)
        assert sum(isinstance(event, Ended) for event in of) == 1
    assert living() == []


def test_hosts_are_read_beside_each_other_and_the_sources_of_a_host_one_after_another(
    session: Session, scripted: Callable
) -> None:
    together = threading.Barrier(3, timeout=20)
    busy: dict[str | None, int] = {}
    at_once = []

    def script(source: Source, _: Session) -> Iterator[Item]:
        host = host_of(source.location)
        busy[host] = busy.get(host, 0) + 1
        at_once.append(busy[host])
        together.wait()  # passes only when three hosts are here at the same time
        yield a_document(source, "page")
        busy[host] -= 1

    scripted(script)
    todo = sources("https://a.example/1", "https://b.example/1", "/notes", "https://a.example/2", "https://b.example/2")
    ended = [event for event in collect_all([*todo, *sources("/letters")], session) if isinstance(event, Ended)]
    assert [event.error for event in ended] == [None] * 6
    assert set(at_once) == {1}


def test_a_slow_reader_makes_the_threads_wait_instead_of_filling_memory(session: Session, scripted: Callable) -> None:
    made = itertools.count()
    last = 0

    def script(source: Source, _: Session) -> Iterator[Item]:
        nonlocal last
        for number in range(2_000):
            last = next(made)
            yield a_document(source, number, "x" * 100_000)

    scripted(script)
    events = collect_all(sources("https://a.example", "https://b.example"), session)
    next(events)
    before = -1
    while before != last:  # until nothing more is made
        before = last
        time.sleep(0.3)
    assert last < scheduling.WAITING_CHARS / 100_000 + 10
    assert sum(isinstance(event, Found) for event in events) == 3_999


def test_one_bad_source_stops_no_other_whatever_is_wrong_with_it(
    session: Session, scripted: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    def script(source: Source, _: Session) -> Iterator[Item]:
        yield a_document(source, "first")
        if "refusing" in source.location:
            raise SourceFailed("The listing ended in the middle.")
        if "buggy" in source.location:
            raise ZeroDivisionError("secret of a page")
        if "unset" in source.location:
            raise SettingsError("Set this.")
        yield a_document(source, "second")

    scripted(script)
    todo = sources(*(f"https://{name}.example" for name in ("refusing", "buggy", "unset", "good")))
    events = without_pauses(collect_all(todo, session))
    errors = {event.source.location: event.error for event in events if isinstance(event, Ended)}
    told = {location.split("/")[-1]: str(error) for location, error in errors.items()}
    assert told == {
        "refusing.example": "The listing ended in the middle.",
        "buggy.example": "ZeroDivisionError while it was read: a fault of the scripted collector, told in the log.",
        "unset.example": "Set this.",
        "good.example": "None",
    }
    assert names(events, todo[3]) == ["first", "second"]
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_a_kind_that_no_collector_reads_is_a_failure_of_that_source(session: Session) -> None:
    (event,) = without_pauses(collect_all([Source(kind="telepathy", location="/mind")], session))
    assert isinstance(event, Ended)
    assert "No collector reads sources of kind 'telepathy'" in str(event.error)


def test_what_the_run_itself_needs_ends_it_when_it_is_not_there(session: Session, scripted: Callable) -> None:
    waiting = threading.Event()

    def script(source: Source, session: Session) -> Iterator[Item]:
        if "b.example" in source.location:
            waiting.wait(10)
            raise WarehouseUnavailable("MongoDB does not answer.")
        waiting.set()
        session.stopped.wait(60)
        yield a_document(source, "late")

    scripted(script)
    with pytest.raises(WarehouseUnavailable):
        list(collect_all(sources("https://a.example", "https://b.example"), session))
    assert living() == []


def test_leaving_early_ends_every_thread_and_closes_what_collectors_hold(session: Session, scripted: Callable) -> None:
    closed = []

    def script(source: Source, _: Session) -> Iterator[Item]:
        try:
            for number in itertools.count():
                yield a_document(source, number, "x" * 10_000)
        finally:
            closed.append(source.location)

    scripted(script)
    events = collect_all(sources(*(f"https://{name}.example" for name in "abcd")), session)
    for _ in range(10):
        next(events)
    events.close()
    assert living() == []
    assert len(closed) == 4
    assert session.stopped.is_set()


def test_what_was_dealt_with_before_is_not_asked_again(session: Session, scripted: Callable) -> None:
    scripted(lambda source, _: iter([a_document(source, "page")]))
    first, second = sources("https://a.example", "https://b.example")
    events = without_pauses(collect_all([first, second], session, done={first.id}))
    assert [event for event in events if event.source == first] == [Ended(first, complete=False, repeated=True)]
    assert names(events, second) == ["page"]


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://User@Example.ORG:8443/a", "example.org:8443"),
        ("git@github.com:ada/engine.git", "github.com"),
        ("ssh://git@example.org/ada/engine.git", "example.org"),
        ("/home/ada/notes", None),
        ("file:///home/ada/notes", None),
        ("https://[broken", None),
    ],
)
def test_the_host_of_a_location_is_who_is_asked(location: str, host: str | None) -> None:
    assert host_of(location) == host
