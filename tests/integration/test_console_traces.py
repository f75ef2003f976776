"""The console's Opik receiver and its pages on traces: real MongoDB, real SDK types, real HTTP."""

from __future__ import annotations

import gzip
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from litestar.testing import TestClient

from app.console.server import MAX_BODY_BYTES, create_app
from app.http.bodies import Unpacked
from twin.deployment.addresses import OPIK_PATH
from twin.processes import Child, answers, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

API = f"{OPIK_PATH}/v1/private"
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
ENDED_BY_SIGTERM = 128 + signal.SIGTERM
HTML = {"accept": "text/html"}


@pytest.fixture
def console(mongo_uri: str, mongo_database: str) -> Iterator[TestClient]:
    app = Unpacked(create_app(lambda: mongo_uri, mongo_database))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def trace(key: str = "trace-1", /, **fields: Any) -> dict[str, Any]:
    times = {"start_time": START.isoformat(), "end_time": (START + timedelta(seconds=2)).isoformat()}
    return {"id": key, "name": "rag", "project_name": "p", **times, **fields}


def span(key: str, /, **fields: Any) -> dict[str, Any]:
    return {**trace(key), "trace_id": "trace-1", "name": key, "type": "general", **fields}


def send(console: TestClient, *traces: dict[str, Any], spans: tuple[dict[str, Any], ...] = ()) -> None:
    assert console.post(f"{API}/traces/batch", json={"traces": list(traces)}).status_code == 204
    assert console.post(f"{API}/spans/batch", json={"spans": list(spans)}).status_code == 204


def test_an_update_merges_into_what_is_there(console: TestClient) -> None:
    send(console, trace(input={"question": "why?"}, tags=["a"]))

    changed = {"output": {"answer": "because"}, "tags": ["b"], "project_name": "p"}
    assert console.patch(f"{API}/traces/trace-1", json=changed).status_code == 204

    found = console.get(f"{API}/traces/trace-1").json()
    assert found["input"] == {"question": "why?"}
    assert found["output"] == {"answer": "because"}
    assert found["tags"] == ["b"]
    assert found["duration"] == 2_000


def test_an_update_that_overtakes_its_create_wins_all_the_same(console: TestClient) -> None:
    console.patch(f"{API}/traces/trace-1", json={"output": {"final": True}, "project_name": "p"})
    assert console.get(f"{API}/traces/trace-1").status_code == 404

    send(console, trace(input={"question": "why?"}, output={"final": False}))

    found = console.get(f"{API}/traces/trace-1").json()
    assert (found["input"], found["output"]) == ({"question": "why?"}, {"final": True})


def test_a_create_sent_twice_is_one_trace(console: TestClient) -> None:
    send(console, {"id": "trace-1", "start_time": START.isoformat(), "input": {"question": "why?"}})
    send(console, trace())

    listed = console.get("/api/traces").json()["traces"]
    assert [(item["id"], item["question"], item["duration_ms"]) for item in listed] == [("trace-1", "why?", 2_000)]


def test_values_that_mongodb_has_trouble_with_are_kept_as_sent(console: TestClient) -> None:
    awkward = {"$set": {"a.b": 1}, "huge": 2**200, "": None, "nested": [[[]]], "text": "\x00 \ud7ff 🎭"}
    send(console, trace(input=awkward))

    assert console.get(f"{API}/traces/trace-1").json()["input"] == awkward


def test_what_is_given_back_fits_the_types_of_the_sdk(console: TestClient) -> None:
    from opik.rest_api.types.span_public import SpanPublic
    from opik.rest_api.types.trace_public import TracePublic

    error = {"exception_type": "E", "message": "m", "traceback": "t"}
    send(
        console,
        trace(error_info=error, metadata={"a": 1}, thread_id="th", ttft=12.5),
        spans=(span("span-1", usage={"total_tokens": 7}, model="m", error_info=error),),
    )
    score = {"id": "span-1", "name": "quality", "value": 0.5, "source": "sdk", "reason": None}
    assert console.put(f"{API}/spans/feedback-scores", json={"scores": [score]}).status_code == 204

    found = TracePublic(**console.get(f"{API}/traces/trace-1").json())
    step = SpanPublic(**console.get(f"{API}/spans/span-1").json())
    assert (found.start_time, found.usage, found.ttft) == (START, {"total_tokens": 7}, 12.5)
    assert step.error_info is not None
    assert step.error_info.exception_type == "E"
    assert [item.value for item in step.feedback_scores or []] == [0.5]


def test_search_streams_lines_that_match_newest_id_first(console: TestClient) -> None:
    send(
        console, trace("1", name="rag"), trace("2", name="rag"), trace("3", name="other"), trace("4", project_name="q")
    )

    wanted = {"project_name": "p", "filters": [{"field": "name", "operator": "=", "value": "rag"}], "limit": 1}
    first = console.post(f"{API}/traces/search", json=wanted)
    second = console.post(f"{API}/traces/search", json={**wanted, "last_retrieved_id": "2"})

    assert [msgspec.json.decode(line)["id"] for line in first.content.splitlines()] == ["2"]
    assert [msgspec.json.decode(line)["id"] for line in second.content.splitlines()] == ["1"]


def test_a_score_of_the_same_name_is_replaced(console: TestClient) -> None:
    send(console, trace())
    for value in (0.1, 0.9):
        body = {"name": "quality", "value": value, "source": "ui"}
        assert console.put(f"{API}/traces/trace-1/feedback-scores", json=body).status_code == 204

    assert [item["value"] for item in console.get(f"{API}/traces/trace-1").json()["feedback_scores"]] == [0.9]


def test_deleting_a_trace_takes_its_steps_along(console: TestClient) -> None:
    send(console, trace(), spans=(span("span-1"),))

    assert console.post(f"{API}/traces/delete", json={"ids": ["trace-1"]}).status_code == 204

    assert console.get(f"{API}/traces/trace-1").status_code == 404
    assert console.get(f"{API}/spans/span-1").status_code == 404


def test_projects_are_those_that_were_traced_to(console: TestClient) -> None:
    send(console, trace())

    found = console.post(f"{API}/projects/retrieve", json={"name": "p"}).json()
    assert found["name"] == "p"
    assert console.get(f"{API}/projects/{found['id']}").json() == found
    assert console.post(f"{API}/projects/retrieve", json={"name": "unknown"}).status_code == 404


@pytest.mark.parametrize("path", ["traces/unknown", "spans/unknown", "projects/unknown"])
def test_an_unknown_id_is_404_with_a_message(console: TestClient, path: str) -> None:
    answer = console.get(f"{API}/{path}")

    assert answer.status_code == 404
    assert "unknown" in answer.json()["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b'{"traces": 1}',
        b'{"traces": [{"id": "x"}]}',
        b'{"traces": [{"id": "x", "start_time": "yesterday"}]}',
        b'{"traces": [{"id": "x", "start_time": "2026-01-01T00:00:00Z", "input": '
        + b"[" * 50_000
        + b"]" * 50_000
        + b"}]}",
        b"",
    ],
)
def test_a_body_that_does_not_fit_is_400_and_keeps_nothing(console: TestClient, body: bytes) -> None:
    answer = console.post(f"{API}/traces/batch", content=body)

    assert answer.status_code == 400
    assert "does not fit" in answer.json()["message"]
    assert console.get("/api/traces").json()["traces"] == []


def test_gzipped_bodies_are_read(console: TestClient) -> None:
    body = gzip.compress(msgspec.json.encode({"traces": [trace()]}))

    sent = console.post(f"{API}/traces/batch", content=body, headers={"content-encoding": "gzip"})

    assert sent.status_code == 204
    assert console.get(f"{API}/traces/trace-1").status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no gzip at all", 400),
        (gzip.compress(b'{"traces": []}')[:-9], 400),
        (gzip.compress(b" " * (MAX_BODY_BYTES + 1)), 413),
    ],
    ids=["not gzip", "cut off", "unpacks to too much"],
)
def test_gzip_that_cannot_be_taken_is_refused(console: TestClient, body: bytes, status: int) -> None:
    assert console.post(f"{API}/traces/batch", content=body, headers={"content-encoding": "gzip"}).status_code == status


def test_a_body_over_the_limit_is_413(console: TestClient) -> None:
    assert console.post(f"{API}/traces/batch", content=b" " * (MAX_BODY_BYTES + 1)).status_code == 413


def test_one_trace_too_large_for_mongodb_is_refused(console: TestClient) -> None:
    answer = console.post(f"{API}/traces/batch", json={"traces": [trace(input={"text": "x" * 17_000_000})]})

    assert answer.status_code == 400
    assert "at most" in answer.json()["message"]


def test_the_list_shows_what_was_sent(console: TestClient) -> None:
    usage = {"prompt_tokens": 120, "completion_tokens": 40, "total_tokens": 160}
    send(
        console,
        trace(input={"question": "How do I chunk?"}, metadata={"model_version": "1.2.0"}, ttft=310.0),
        spans=(span("generation", usage=usage),),
    )

    page = console.get("/traces", headers=HTML).text

    for shown in ("How do I chunk?", "2.00 s", "310 ms", "160", "1.2.0", 'href="/traces/trace-1"', "status-ok"):
        assert shown in page


def test_the_waterfall_shows_steps_at_their_time_and_failures(console: TestClient) -> None:
    middle = (START + timedelta(seconds=1)).isoformat()
    failure = {"exception_type": "ModelUnavailable", "message": "gone", "traceback": "Traceback: gone"}
    send(
        console,
        trace(),
        spans=(
            span("retrieval", end_time=middle, output={"passages": ["The first passage"]}),
            span("generation", start_time=middle, type="llm", error_info=failure),
        ),
    )

    page = console.get("/traces/trace-1", headers=HTML).text

    assert '<rect class="type-general" x="0.0%" width="50.0%"' in page
    assert '<rect class="type-llm" x="50.0%" width="50.0%"' in page
    assert "The first passage" in page
    assert "ModelUnavailable" in page
    assert "status-error" in page


def test_nothing_that_was_sent_is_run_as_markup(console: TestClient) -> None:
    attack = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    failure = {"exception_type": attack, "message": attack, "traceback": attack}
    fields: dict[str, Any] = {
        "name": attack,
        "input": {"question": attack},
        "output": attack,
        "metadata": {attack: attack},
    }
    send(console, trace(**fields, tags=[attack], error_info=failure), spans=(span("s", **fields, type=attack),))

    for path in ("/traces", "/traces/trace-1", f"/traces?text={attack}"):
        answer = console.get(path, headers=HTML)
        assert answer.status_code == 200
        assert "<script" not in answer.text
        assert "<img" not in answer.text
        assert "&lt;script&gt;" in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_list_is_filtered_by_text_taken_literally(console: TestClient) -> None:
    send(
        console, trace("1", input={"q": 'say "hi" (a+b)*'}), trace("2", output={"x": "Übung"}), trace("3", name="third")
    )

    def ids(text: str) -> list[str]:
        return [item["id"] for item in console.get("/api/traces", params={"text": text}).json()["traces"]]

    assert ids('"HI" (a+b)*') == ["1"]
    assert ids("Übung") == ["2"]
    assert ids("third") == ["3"]
    assert ids(".*") == []


def test_the_list_has_pages(console: TestClient) -> None:
    started = [(START + timedelta(seconds=number)).isoformat() for number in range(5)]
    send(console, *(trace(str(number), start_time=moment) for number, moment in enumerate(started)))

    pages = [console.get("/api/traces", params={"limit": 2, "page": page}).json() for page in (1, 2, 3)]

    assert [[item["id"] for item in page["traces"]] for page in pages] == [["4", "3"], ["2", "1"], ["0"]]
    assert [page["more"] for page in pages] == [True, True, False]
    assert console.get("/api/traces", params={"page": 0}).status_code == 400


def test_an_unknown_trace_is_a_page_for_people_and_json_for_programs(console: TestClient) -> None:
    page = console.get("/traces/unknown", headers=HTML)
    api = console.get("/api/traces/unknown")

    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "No trace has the id unknown" in page.text
    assert (api.status_code, api.json()["code"]) == (404, 404)


def test_without_mongodb_the_console_lives_but_is_not_ready() -> None:
    app = create_app(lambda: "mongodb://127.0.0.1:1/", "any", timeout_seconds=0.2)
    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").status_code == 503
        answer = client.post(f"{API}/traces/batch", json={"traces": [trace()]})
        assert answer.status_code == 503
        assert "MongoDB" in answer.json()["message"]


def test_the_console_follows_a_mongodb_that_moves(mongo_uri: str, mongo_database: str) -> None:
    where = "mongodb://127.0.0.1:1/"
    with TestClient(
        create_app(lambda: where, mongo_database, timeout_seconds=2), raise_server_exceptions=False
    ) as client:
        assert client.post(f"{API}/traces/batch", json={"traces": [trace()]}).status_code == 503
        where = mongo_uri
        assert client.get("/health/ready").status_code == 200
        assert client.post(f"{API}/traces/batch", json={"traces": [trace()]}).status_code == 204


def test_the_program_serves_keeps_and_stops_cleanly(mongo_uri: str, mongo_database: str) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "app.console", "--port", str(port)]
    env = {"MONGODB_URI": mongo_uri, "MONGODB_DATABASE": mongo_database}
    for attempt in ("first", "second"):
        with Child(f"console-{attempt}", command, env=env) as child:
            wait_until(lambda: answers(f"{url}/health/ready"), what="the console", timeout=30, child=child)
            if attempt == "first":
                httpx.post(f"{url}{API}/traces/batch", json={"traces": [trace()]}).raise_for_status()
            assert httpx.get(f"{url}/api/traces/trace-1").json()["trace"]["name"] == "rag"
            os.kill(child.pid, signal.SIGTERM)
            assert child.wait(5) == ENDED_BY_SIGTERM
            assert "Traceback" not in child.last_lines()


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_time_beyond_the_calendar_is_shown(console: TestClient, moment: str) -> None:
    console.post(f"{API}/traces", json=trace(start_time=moment, end_time=moment)).raise_for_status()
    console.post(f"{API}/traces", json=trace("another")).raise_for_status()
    for path in ("/traces", "/traces/trace-1", "/api/traces", "/api/traces/trace-1"):
        assert console.get(path).status_code == 200


def test_a_nul_in_the_filter_finds_what_holds_one(console: TestClient) -> None:
    console.post(f"{API}/traces", json=trace(name="a\0b")).raise_for_status()
    assert "trace-1" in console.get("/traces", params={"text": "a\0b"}).text
    assert "trace-1" not in console.get("/traces", params={"text": "\0\0"}).text


def test_odd_values_of_an_experiment_are_kept_and_shown(console: TestClient) -> None:
    console.headers["authorization"] = "any"
    console.post("/comet/logger/add/run", json={"experimentKey": "e"}).raise_for_status()
    odd = [10**30, {"$set": 1, "a\0": [10**30]}, ["x"], 1e308, None, "\0"]
    values = [{"parameterName": f"$p.{number}", "parameterValue": value} for number, value in enumerate(odd)]
    parameters = {"experimentKey": "e", "values": values}
    console.post("/comet/batch/logger/experiment/parameter", json=parameters).raise_for_status()
    for value in odd:
        metrics = {"experimentKey": "e", "values": [{"metricName": "$m\0", "metricValue": value, "step": 1}]}
        console.post("/comet/batch/logger/experiment/metric", json=metrics).raise_for_status()
    detail = {"experimentKey": "e", "$where": {"a\0": 10**30}}
    console.post("/api/rest/v2/write/experiment/graph", json=detail).raise_for_status()
    page = console.get("/experiments/e")
    assert page.status_code == 200
    assert str(10**30) in page.text
    late = {"experimentKey": "e", "values": [{"metricName": "m", "metricValue": 1, "step": 10**30}]}
    assert console.post("/comet/batch/logger/experiment/metric", json=late).status_code == 400
