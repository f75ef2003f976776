"""Many sources kept in step in one run: the web from a server on this machine, files from real folders."""

from __future__ import annotations

import shutil
import threading
import zlib
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from twin.collection import ingestion
from twin.collection.events import Ended, Found
from twin.errors import SourceFailed
from twin.records import Document, Gone, Rejected, Source, Unchanged, Visit, document_id
from twin.settings import SourceSettings, read
from twin.warehouse import IngestReport, Warehouse, report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twin.collection.collector import Item
    from twin.collection.events import Event

WORDS = "Engines turn heat into work. They do it in cycles, and each cycle gives a little less than it took. "
pytestmark = pytest.mark.timeout(120)


class Site:
    """Pages of three hosts, which tests change, and how often each was asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, str]] = {}
        self.asked: Counter[str] = Counter()
        self.servers = {
            host: self._serve(host, f"127.0.0.{number}") for number, host in enumerate(("a", "b", "c"), start=1)
        }

    def _serve(self, host: str, address: str) -> ThreadingHTTPServer:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path != "/robots.txt":
                    site.asked[f"{host}{self.path}"] += 1
                status, text = site.pages.get(f"{host}{self.path}", (404, ""))
                body = text.encode()
                etag = f'"{zlib.crc32(body)}"'
                if status == 200 and self.headers.get("If-None-Match") == etag:
                    status, body = 304, b""
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("ETag", etag)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer((address, 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def source(self, host: str, path: str) -> Source:
        address, port = self.servers[host].server_address[:2]
        return Source(kind="article", location=f"http://{address}:{port}{path}", author="Ada")

    def write(self, host: str, path: str, words: str, status: int = 200) -> None:
        body = f"<article><h1>{path}</h1><p>{words}</p></article>"
        text = f"<html><head><title>{path}</title></head><body>{body}</body></html>"
        self.pages[f"{host}{path}"] = (status, text)

    def close(self) -> None:
        for server in self.servers.values():
            server.shutdown()
            server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture
def warehouse(mongo_uri: str, mongo_database: str) -> Iterator[Warehouse]:
    with Warehouse(mongo_uri, mongo_database) as warehouse:
        yield warehouse


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> SourceSettings:
    monkeypatch.setenv("COLLECTION_ALLOW_PRIVATE_ADDRESSES", "true")
    for name in ("COLLECTION_HOST_DELAY_MIN", "COLLECTION_HOST_DELAY_FACTOR"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("COLLECTION_ATTEMPTS", "1")
    return read(SourceSettings)


def a_source(name: str, kind: str = "folder") -> Source:
    return Source(kind=kind, location=name, author="Ada")


def a_document(source: Source, url: str, content: str = "Some words.") -> Document:
    return Document(id=document_id(url), url=url, source_id=source.id, author="Ada", title=url, content=content)


def look(warehouse: Warehouse, shown: dict[Source, list[Item]], *, confirm: bool = False, **ends: Any) -> IngestReport:
    """Brings in what sources show, an item of each in turn."""

    def events() -> Iterator[Event]:
        longest = max((len(items) for items in shown.values()), default=0)
        for number in range(longest):
            for source, items in shown.items():
                if number < len(items):
                    yield Found(source, items[number])
        for source in shown:
            yield Ended(source, ends.get("complete", True), ends.get("error"))

    return warehouse.documents.observe_all(list(shown), events(), confirm_vanished=confirm)


def counted(report: IngestReport) -> dict[str, int]:
    return {name: count for name, count in report.counts.items() if count}


def rows(warehouse: Warehouse, collection: str) -> list[dict[str, Any]]:
    return list(warehouse._connection.database[collection].find())


def test_a_thousand_sources_cost_few_round_trips_and_unchanged_ones_write_nothing(warehouse: Warehouse) -> None:
    shown: dict[Source, list[Item]] = {}
    for number in range(1_000):
        source = a_source(f"https://{number % 20}.example/{number}", "article")
        shown[source] = [a_document(source, source.location)]
    warehouse.sources.add(shown)
    assert counted(look(warehouse, shown)) == {"added": 1_000}
    database = warehouse._connection.database
    before = database.client.admin.command("serverStatus")["opcounters"]
    database.command({"profile": 2})
    told = look(warehouse, shown)
    database.command({"profile": 0})
    assert counted(told) == {"unchanged": 1_000}
    after = database.client.admin.command("serverStatus")["opcounters"]
    trips = sum(after[name] - before[name] for name in ("query", "command", "getmore"))
    assert trips < 150, "6 a source would be 6,000"
    written = database["system.profile"].find({"ns": {"$regex": "raw_documents|revisions"}, "op": {"$ne": "query"}})
    assert [entry["op"] for entry in written if entry.get("nMatched") or entry.get("ninserted")] == []


def test_a_document_that_two_sources_show_stays_with_the_first_and_outlives_it(warehouse: Warehouse) -> None:
    feed, page = a_source("https://a.example/feed", "feed"), a_source("https://a.example/post", "article")
    short, long = a_document(feed, page.location, "An excerpt."), a_document(page, page.location, "The whole text.")
    others: list[Item] = [a_document(feed, f"https://a.example/{number}") for number in range(3)]
    assert counted(look(warehouse, {feed: [short, *others]})) == {"added": 4}
    for _ in range(2):
        both = look(warehouse, {page: [long], feed: [short, *others]})
        assert counted(both) == {"unchanged": 5}, "no revision with every look at either"
    handed_over = look(warehouse, {page: [long], feed: others})
    assert counted(handed_over) == {"unchanged": 4}
    assert counted(look(warehouse, {page: [long], feed: others})) == {"changed": 1, "unchanged": 3}
    assert [document.content for document in warehouse.documents.read([long.id])] == ["The whole text."]


def test_a_document_outlives_its_source_where_another_gave_it_and_is_unchanged_as_a_whole(
    warehouse: Warehouse,
) -> None:
    first, second = a_source("/first.jsonl", "jsonl"), a_source("/second.jsonl", "jsonl")
    url = "https://a.example/post"
    others: list[Item] = [a_document(first, f"/first/{number}") for number in range(3)]
    given = Visit(url="file:///second.jsonl", reader="1", documents=[url], digest="1")
    look(warehouse, {first: [a_document(first, url, "An excerpt."), *others], second: [a_document(second, url), given]})
    assert counted(look(warehouse, {first: others, second: [Unchanged()]})) == {"unchanged": 3}
    assert warehouse.sources.visit(second, given.url) is None, "it is read again, as its own text may be another"
    assert counted(look(warehouse, {first: others, second: [a_document(second, url)]})) == {
        "changed": 1,
        "unchanged": 3,
    }


def test_what_cannot_be_stored_leaves_no_visit_that_vouches_for_its_earlier_form(warehouse: Warehouse) -> None:
    source, url = a_source("/notes"), "file:///notes/a.md"
    look(warehouse, {source: [a_document(source, url), Visit(url=url, reader="1", documents=[url], digest="1")]})
    edited: list[Item] = [
        a_document(source, url, "half a pair: \ud800"), Visit(url=url, reader="1", documents=[url], digest="2"),
        a_document(source, f"{url}2"), Visit(url=f"{url}2", reader="1", documents=[f"{url}2"], digest="2"),
    ]  # fmt: skip
    assert counted(look(warehouse, {source: edited})) == {"added": 1, "refused": 1}
    kept = warehouse.sources.visit(source, url)
    assert kept is None or kept.digest == "1"
    assert warehouse.sources.visit(source, f"{url}2") is not None


def test_a_source_asked_alone_brings_in_what_it_shows_of_a_shared_document(warehouse: Warehouse) -> None:
    feed, page = a_source("https://a.example/feed", "feed"), a_source("https://a.example/post", "article")
    look(warehouse, {feed: [a_document(feed, page.location, "An excerpt.")]})
    assert counted(look(warehouse, {page: [a_document(page, page.location, "All of it.")]})) == {"changed": 1}


def test_what_a_source_says_is_gone_is_removed_at_once_with_the_reason(warehouse: Warehouse) -> None:
    page = a_source("https://a.example/post", "article")
    look(warehouse, {page: [a_document(page, "https://a.example/canonical")]})
    gone = Gone(url="https://a.example/canonical", reason="the server answered 410 Gone")
    report = look(warehouse, {page: [gone]}, complete=False)
    assert counted(report) == {"removed": 1}
    (outcome,) = rows(warehouse, "outcomes")
    assert (outcome["state"], outcome["reason"]) == ("removed", "the server answered 410 Gone")
    assert counted(look(warehouse, {page: [gone]}, complete=False)) == {}, "once is enough"
    unknown = look(warehouse, {page: [Gone(url="https://a.example/never", reason="404")]}, complete=False)
    assert counted(unknown) == {"failed": 1}, "what never was is more likely a wrong URL"


def test_a_page_that_is_gone_takes_along_what_it_gave_under_another_address(warehouse: Warehouse) -> None:
    page = a_source("https://a.example/post", "article")
    given = a_document(page, "https://a.example/canonical")
    look(warehouse, {page: [given, Visit(url=page.location, reader="1", documents=[given.url])]})
    report = look(warehouse, {page: [Gone(url=page.location, reason="404")]}, complete=False)
    assert counted(report) == {"removed": 1}
    assert warehouse.documents.fingerprints() == {}


def test_most_pages_of_a_host_gone_at_once_are_kept_until_it_is_confirmed(warehouse: Warehouse) -> None:
    pages = [a_source(f"https://a.example/{number}", "article") for number in range(6)]
    other = a_source("https://b.example/0", "article")
    look(warehouse, {page: [a_document(page, page.location)] for page in [*pages, other]})
    down: dict[Source, list[Item]] = {page: [Gone(url=page.location, reason="404")] for page in [*pages[:5], other]}
    down[pages[5]] = [Unchanged(url=pages[5].location)]
    doubted = look(warehouse, down, complete=False)
    assert counted(doubted) == {"removed": 1, "unchanged": 1, "failed": 5}, "the other host's page is gone"
    assert ["the pages of a.example: 5 of 6 documents are said to be gone at once" in w for w in doubted.warnings] == [
        True
    ]
    assert counted(look(warehouse, down, complete=False, confirm=True)) == {"removed": 5, "unchanged": 1}


def test_what_an_incomplete_source_misses_is_kept_and_what_it_says_is_gone_is_not(warehouse: Warehouse) -> None:
    feed = a_source("https://a.example/feed", "feed")
    entries = [a_document(feed, f"https://a.example/{number}") for number in range(10)]
    look(warehouse, {feed: [*entries]})
    report = look(warehouse, {feed: [entries[0], Gone(url=entries[1].url, reason="410")]}, complete=False)
    assert counted(report) == {"unchanged": 1, "removed": 1}
    assert len(warehouse.documents.fingerprints()) == 9


def test_a_whole_source_told_unchanged_counts_its_documents_and_buries_none(warehouse: Warehouse) -> None:
    one, two = a_source("/one"), a_source("/two")
    look(warehouse, {one: [a_document(one, f"/one/{n}") for n in range(5)], two: [a_document(two, "/two/0")]})
    report = look(warehouse, {one: [Unchanged()], two: [Unchanged()]})
    assert counted(report) == {"unchanged": 6}
    assert {source.source.location: source.unchanged for source in report.sources} == {"/one": 5, "/two": 1}


def test_visits_come_back_only_while_their_documents_are_there(warehouse: Warehouse) -> None:
    source = a_source("/notes")
    documents = [a_document(source, f"/notes/{number}") for number in range(4)]
    visits = [Visit(url=document.url, reader="1", documents=[document.url], etag='"x"') for document in documents]
    nothing = Visit(url="/notes/empty", reader="1")
    look(warehouse, {source: [item for pair in zip(documents, visits, strict=True) for item in pair] + [nothing]})
    memory = warehouse.sources.memory()
    for remembered in (warehouse.sources, memory):
        found = [remembered.visit(source, visit.url) for visit in visits]
        assert [(visit.url, visit.etag, visit.documents) for visit in found if visit] == [
            (visit.url, '"x"', visit.documents) for visit in visits
        ]
        assert remembered.visit(source, "/notes/9") is None
        assert [visit.url for visit in remembered.visits(source)] == [*(v.url for v in visits), "/notes/empty"]
    look(warehouse, {source: [*documents[:3], Gone(url=documents[3].url, reason="deleted")]})
    assert warehouse.sources.visit(source, documents[3].url) is None
    assert warehouse.sources.memory().visit(source, documents[3].url) is None
    assert [visit.url for visit in warehouse.sources.visits(source)] == [*(v.url for v in visits[:3]), "/notes/empty"]
    assert warehouse.sources.visit(a_source("/letters"), documents[0].url) is None


def test_visits_of_single_pages_are_read_ahead_for_many_sources_at_once(warehouse: Warehouse) -> None:
    pages = [a_source(f"https://a.example/{number}", "article") for number in range(600)]
    shown: dict[Source, list[Item]] = {}
    for page in pages[:500]:
        given = a_document(page, f"{page.location}#canonical")
        shown[page] = [given, Visit(url=page.location, reader="1", documents=[given.url])]
    look(warehouse, shown)
    look(warehouse, {pages[7]: [Gone(url=f"{pages[7].location}#canonical", reason="410")]}, complete=False)
    memory = warehouse.sources.memory(pages[:500])
    database = warehouse._connection.database
    before = database.client.admin.command("serverStatus")["opcounters"]["query"]
    found = {page.location: memory.visit(page, page.location) for page in reversed(pages[:500])}
    assert database.client.admin.command("serverStatus")["opcounters"]["query"] - before < 20
    assert [location for location, visit in found.items() if visit is None] == [pages[7].location]
    assert all(visit.url == location for location, visit in found.items() if visit)
    assert memory.visit(pages[550], pages[550].location) is None
    assert memory.visit(pages[3], pages[3].location) == found[pages[3].location], "asked for a second time"


def test_visits_asked_for_in_order_are_read_ahead_and_none_is_missed(warehouse: Warehouse) -> None:
    source = a_source("/notes")
    names = [f"/notes/{number:04}" for number in range(0, 600, 2)]
    warehouse.documents.observe(source, [Visit(url=name, reader="1") for name in names], complete=True)
    memory = warehouse.sources.memory()
    database = warehouse._connection.database
    before = database.client.admin.command("serverStatus")["opcounters"]["query"]
    found = [memory.visit(source, f"/notes/{number:04}") for number in range(700)]
    assert [visit.url for visit in found if visit] == names
    assert database.client.admin.command("serverStatus")["opcounters"]["query"] - before < 60
    backwards = [memory.visit(source, name) for name in reversed(names)]
    assert [visit.url for visit in backwards if visit] == names[::-1]


def test_an_unchanged_page_counts_as_looked_at_and_the_feed_that_lists_it_does_not(warehouse: Warehouse) -> None:
    feed = a_source("https://a.example/feed", "feed")
    entries = [a_document(feed, f"https://a.example/{number}") for number in range(2)]
    pages = [Visit(url=entry.url, reader="1", documents=[entry.url]) for entry in entries]
    listing = Visit(url=feed.location, reader="1", documents=[entry.url for entry in entries])
    look(warehouse, {feed: [*entries, *pages, listing]})
    first = {visit.url: visit.checked_at for visit in warehouse.sources.visits(feed)}
    look(warehouse, {feed: [Unchanged(url=entries[0].url)]}, complete=False)
    second = {visit.url: visit.checked_at for visit in warehouse.sources.visits(feed)}
    assert [url for url in first if first[url] != second[url]] == [entries[0].url]


def test_a_visit_is_kept_only_after_the_documents_that_it_stands_for(warehouse: Warehouse) -> None:
    source = a_source("/notes")
    document = a_document(source, "/notes/a")

    def broken() -> Iterator[Event]:
        yield Found(source, document)
        yield Found(source, Visit(url="/notes/a", reader="1", documents=[document.url]))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        warehouse.documents.observe_all([source], broken())
    assert (warehouse.sources.visit(source, "/notes/a"), warehouse.documents.fingerprints()) == (None, {})


def test_a_false_unchanged_is_told_and_the_place_is_read_again(warehouse: Warehouse) -> None:
    source = a_source("/notes")
    report = look(warehouse, {source: [Unchanged(url="/notes/never-seen")]})
    assert counted(report) == {"failed": 1}


def test_what_was_said_against_a_source_or_a_document_is_dropped_when_it_is_over(warehouse: Warehouse) -> None:
    source = a_source("/notes")
    warehouse.sources.add([source])
    look(warehouse, {source: [a_document(source, "/notes/a"), Rejected(url="/notes/b", reason="empty", refused=True)]})
    look(warehouse, {source: [a_document(source, "/notes/a")]}, error=SourceFailed("The disk went away."))
    assert {(problem.url, problem.reason) for problem in warehouse.sources.problems([source.id])} == {
        ("/notes/b", "empty"),
        ("/notes", "The disk went away."),
    }
    assert warehouse.sources.last_looks()[source.id].error == "The disk went away."
    look(warehouse, {source: [a_document(source, "/notes/a")]})
    assert list(warehouse.sources.problems([source.id])) == [], "the refused file is not there any more"
    assert warehouse.sources.last_looks()[source.id].error is None


def test_texts_that_mongodb_cannot_hold_end_no_run(warehouse: Warehouse) -> None:
    source = a_source("/notes")
    report = look(
        warehouse,
        {
            source: [
                Rejected(url="/notes/\udcff", reason="named \udcfe", refused=False),
                Unchanged(url="/notes/\ud800"),
                Gone(url="/notes/\ud801", reason="\ud802"),
                a_document(source, "/notes/good"),
                Visit(url="/notes/good", reader="1", documents=["/notes/good"], etag="\ud803"),
                Visit(url="/notes/\ud804", reader="1"),
            ]
        },
    )
    assert counted(report) == {"added": 1, "failed": 3}
    assert [warehouse.sources.visit(source, url) for url in ("/notes/good", "/notes/\ud804")] == [None, None]


def test_reports_keep_a_bounded_number_of_outcomes_and_exact_counts(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "MAX_KEPT", 10)
    source = a_source("/notes")
    items: list[Item] = [a_document(source, f"/notes/{number}") for number in range(50)]
    items += [Rejected(url=f"/notes/bad-{number}", reason="bad", refused=True) for number in range(50)]
    first = look(warehouse, {source: items})
    assert counted(first) == {"added": 50, "refused": 50}
    assert (len(first.outcomes), len(first.problems)) == (20, 10)
    assert len((first + first).outcomes) == 20
    assert len(list(warehouse.sources.problems())) == 50


def test_web_pages_and_folders_are_kept_in_step_in_one_run(
    warehouse: Warehouse, site: Site, settings: SourceSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [(host, f"/{number}") for host in ("a", "b", "c") for number in range(4)]
    for host, path in places:
        site.write(host, path, WORDS * 3)
    (tmp_path / "note.md").write_text(f"# Note\n\n{WORDS}")
    (tmp_path / "other.md").write_text(f"# Other\n\n{WORDS}")
    todo = [*(site.source(*place) for place in places), a_source(str(tmp_path))]
    assert counted(ingestion.ingest(todo, warehouse, settings)) == {"added": 14}
    site.write("a", "/0", f"Edited. {WORDS * 3}")
    site.write("b", "/1", "", status=410)
    site.write("c", "/2", "", status=500)
    (tmp_path / "other.md").write_text(f"# Other\n\nEdited. {WORDS}")
    monkeypatch.setattr(ingestion, "TELL_SECONDS", 0.0)
    told: list[str] = []
    second = ingestion.ingest(todo, warehouse, settings, tell=told.append)
    assert told[-1] == "13 of 13 sources: 2 changed, 10 unchanged, 1 failed", "removals come at the end of a run"
    assert counted(second) == {"changed": 2, "removed": 1, "unchanged": 10, "failed": 1}
    places_told = ingestion.by_place(second)
    assert {(place["kind"], str(place["place"]).split(":")[0], place["changed"]) for place in places_told} == {
        ("article", "127.0.0.1", 1),
        ("article", "127.0.0.2", 0),
        ("article", "127.0.0.3", 0),
        ("folder", "this machine", 1),
    }
    assert [problem.url.rsplit("/", 1)[-1] for problem in warehouse.sources.problems()] == ["2"]
    run = warehouse.runs.last()
    assert run is not None
    assert (run.state, run.sources, run.counts) == ("finished", 13, second.counts)


def test_a_run_that_was_cut_off_is_gone_on_with_and_asks_nothing_twice(
    warehouse: Warehouse, site: Site, settings: SourceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [(host, f"/{number}") for host in ("a", "b") for number in range(10)]
    for host, path in places:
        site.write(host, path, WORDS * 3)
    todo = [site.source(*place) for place in places]
    ingestion.ingest(todo, warehouse, settings)
    site.asked.clear()
    site.write("a", "/3", f"Edited. {WORDS * 3}")
    whole = warehouse.documents.observe_all

    def cut_off(sources: list[Source], events: Iterator[Event], **options: Any) -> IngestReport:
        def until_seven() -> Iterator[Event]:
            ended = 0
            for event in events:
                yield event
                ended += isinstance(event, Ended)
                if ended == 7:
                    break

        whole(sources, until_seven(), **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(warehouse.documents, "observe_all", cut_off)
    with pytest.raises(KeyboardInterrupt):
        ingestion.ingest(todo, warehouse, settings)
    monkeypatch.undo()
    asked = Counter(site.asked)
    told: list[str] = []
    report = ingestion.ingest(todo, warehouse, settings, tell=told.append)
    assert sum(report.counts.values()) == 20
    assert "goes on with the run" in told[0]
    assert "7 sources are done" in told[0]
    again = {place: count - asked[place] for place, count in site.asked.items() if count > asked[place]}
    assert len(again) == 13
    site.asked.clear()
    ingestion.ingest(todo, warehouse, settings)
    assert len(site.asked) == 20, "a run that ended is begun afresh"


def test_more_sources_than_a_runs_budget_are_read_in_several_runs(
    warehouse: Warehouse, site: Site, settings: SourceSettings
) -> None:
    sources = [site.source("a", f"/page-{number}") for number in range(7)]
    for number in range(7):
        site.write("a", f"/page-{number}", f"{WORDS} {number}")
    small = settings.model_copy(update={"run_requests": 4})  # robots.txt and three pages
    first = ingestion.ingest(sources, warehouse, small)
    assert counted(first) == {"added": 3, "failed": 4}
    assert all("budget" in (problem.reason or "") for problem in first.problems)
    assert len(warehouse.sources.all()) == 7, "those that were put off are not forgotten"
    for _ in range(2):
        ingestion.ingest(sources, warehouse, small)
    assert warehouse.documents.count() == 7


def test_a_new_source_that_fails_keeps_its_problem_on_record_where_it_is_not_to_be_forgotten(
    warehouse: Warehouse, site: Site, settings: SourceSettings
) -> None:
    site.pages["a/down"] = (503, "")
    ingestion.ingest([site.source("a", "/down")], warehouse, settings, forget_empty=False)
    assert [problem.url for problem in warehouse.sources.problems()] == [site.source("a", "/down").location]


def test_a_run_over_other_sources_or_long_after_is_begun_afresh(warehouse: Warehouse) -> None:
    one, two = a_source("https://a.example", "article"), a_source("https://b.example", "article")
    with pytest.raises(ZeroDivisionError), warehouse.runs.begin([one]):
        raise ZeroDivisionError
    with warehouse.runs.begin([one, two]) as run:
        assert not run.resumes
    with pytest.raises(ZeroDivisionError), warehouse.runs.begin([one]) as first:
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), warehouse.runs.begin([one]) as second:
        raise ZeroDivisionError
    with warehouse.runs.begin([one]) as third:
        assert (first.resumes, second.since, third.since) == (False, first.started_at, first.started_at)
    with warehouse.runs.begin([one], confirm_vanished=True) as confirmed:
        assert not confirmed.resumes


def test_a_file_edited_after_the_cut_is_read_when_the_run_goes_on(
    warehouse: Warehouse, settings: SourceSettings, tmp_path: Path
) -> None:
    (tmp_path / "note.md").write_text(f"# Note\n\n{WORDS}")
    folder = a_source(str(tmp_path))
    ingestion.ingest([folder], warehouse, settings)
    with pytest.raises(ZeroDivisionError), warehouse.runs.begin([folder]):
        raise ZeroDivisionError
    (tmp_path / "note.md").write_text(f"# Note\n\nEdited. {WORDS}")
    assert counted(ingestion.ingest([folder], warehouse, settings)) == {"changed": 1}


def test_a_new_location_that_gives_nothing_is_forgotten_and_a_known_one_is_not(
    warehouse: Warehouse, settings: SourceSettings, tmp_path: Path
) -> None:
    (tmp_path / "a.md").write_text(f"# Note\n\n{WORDS}")
    known, mistaken = a_source(str(tmp_path)), a_source(str(tmp_path / "nowhere"))
    ingestion.ingest([known, mistaken], warehouse, settings)
    assert warehouse.sources.all() == [known]
    shutil.rmtree(tmp_path)
    failed = ingestion.ingest([known], warehouse, settings)
    assert counted(failed) == {"failed": 1}
    assert warehouse.sources.all() == [known]
    assert len(warehouse.documents.fingerprints()) == 1
