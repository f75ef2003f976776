"""People are told: over a real mail server and a real webhook, from real runs of Dagster."""

from __future__ import annotations

import contextlib
import email
import email.policy
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from aiosmtpd.controller import Controller
from typer.testing import CliRunner

from llm_twin_dagster.cli import app
from resources import all_resources
from sensors import alerts_of_failures, alerts_of_state, alerts_of_successes
from twin.alerts import KINDS, Notifier, template
from twin.collection import ingestion
from twin.deployment import Deployment
from twin.errors import WarehouseUnavailable
from twin.processes import free_port
from twin.records import Source
from twin.settings import AlertSettings, SourceSettings, read

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from twin.warehouse import Warehouse

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
FAILED = template("run_failed").sample


class Webhook:
    """A web server that keeps what is posted to it, and refuses while it is told to."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.refuses = False
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not hook.refuses:
                    hook.got.append(body)
                self.send_response(503 if hook.refuses else 200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self.server.server_address[1]}/"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.got]


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()
    threading.Thread(target=hook.server.serve_forever, args=(0.02,), daemon=True).start()
    yield hook
    hook.server.shutdown()
    hook.server.server_close()


class Mailbox:
    def __init__(self) -> None:
        self.got: list[email.message.EmailMessage] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.got.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"


@contextlib.contextmanager
def mail_server(mailbox: Mailbox, port: int) -> Generator[None]:
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def notifier(folder: Path, urls: str, clock: Clock, **values: object) -> Notifier:
    given = {"ALERT_URLS": urls, "ALERT_TIMEZONE": "UTC", "ALERT_DIGEST_AT": "off", **values}
    return Notifier(folder, AlertSettings.model_validate(given), clock=clock)


def test_one_of_each_kind_arrives_by_mail_and_webhook_and_says_so(
    home: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:

    mailbox, port = Mailbox(), free_port()
    mail = f"mailto://127.0.0.1:{port}?from=twin@example.com&to=ada@example.com&mode=insecure"
    monkeypatch.setenv("ALERT_URLS", f"{mail} {webhook.url}")
    with mail_server(mailbox, port):
        done = CliRunner().invoke(app, ["alerts", "test"])
    assert done.exit_code == 0, done.output
    assert len(mailbox.got) == len(webhook.got) == len(KINDS)
    titles = {str(message["Subject"]) for message in mailbox.got}
    assert titles == set(webhook.titles)
    assert all(title.startswith("[llm-twin] Test: ") for title in titles)
    failed = CliRunner().invoke(app, ["alerts", "test", "--json"])  # the mail server is gone
    assert failed.exit_code == 1
    assert len(webhook.got) == 2 * len(KINDS)
    assert CliRunner().invoke(app, ["alerts", "list"]).output.startswith("Nothing has been told yet.")


def test_what_could_not_be_delivered_for_a_day_arrives_later_once(
    tmp_path: Path, webhook: Webhook, clock: Clock
) -> None:
    webhook.refuses = True
    for hour in range(25):
        teller = notifier(tmp_path, webhook.url, clock)  # each in a process of its own, as after restarts
        teller.tell("run_failed", f"cause {hour // 10}", **FAILED)
        assert teller.flush() == 0
        clock.later(hours=1)
    webhook.refuses = False
    teller = notifier(tmp_path, webhook.url, clock)
    assert teller.health()[0][1].failing_since == NOON
    assert teller.flush() == 3
    clock.later(hours=2)
    assert teller.flush() == 0
    assert len(webhook.got) == 3
    assert not any(alert.waits for alert in teller.outbox.all())


def test_a_place_that_is_away_keeps_no_other_from_being_told(tmp_path: Path, webhook: Webhook, clock: Clock) -> None:
    away = f"json://127.0.0.1:{free_port()}/"
    teller = notifier(tmp_path, f"{away} {webhook.url}", clock)
    teller.tell("run_failed", "a", **FAILED)
    assert teller.flush() == 1
    clock.later(hours=1)
    assert teller.flush() == 0  # the one that has it is not told again
    assert len(webhook.got) == 1
    assert [alert.waits for alert in teller.outbox.all()] == [True]


def test_a_flood_becomes_few_messages_and_quiet_hours_keep_all_but_the_urgent(
    tmp_path: Path, webhook: Webhook, clock: Clock
) -> None:
    teller = notifier(tmp_path, webhook.url, clock, ALERT_MAX_PER_HOUR=3, ALERT_QUIET_HOURS="12:00-13:00")
    for number in range(50):
        teller.tell("run_failed", f"cause {number}", **FAILED)
    teller.tell("disk_full", "disk", **template("disk_full").sample)
    assert teller.flush() == 1
    assert webhook.titles == ["[llm-twin] The disk of the twin is nearly full"]
    clock.later(minutes=60)
    assert teller.flush() == 1
    assert webhook.titles[-1] == "[llm-twin] 50 alerts at once"
    for number in range(50, 53):
        teller.tell("run_failed", f"cause {number}", **FAILED)
    assert teller.flush() == 1  # two are left of the hour's three: all in one
    teller.tell("run_failed", "yet another", **FAILED)
    assert (teller.flush(), teller.flush()) == (1, 0)
    teller.tell("run_failed", "too much", **FAILED)
    assert teller.flush() == 0
    clock.later(minutes=60)
    assert teller.flush() == 1


def test_a_digest_comes_once_a_day_where_anything_happened(tmp_path: Path, webhook: Webhook, clock: Clock) -> None:
    teller = notifier(tmp_path, webhook.url, clock, ALERT_DIGEST_AT="08:00")
    teller.tell("run_failed", "a", **FAILED)
    assert teller.flush() == 1  # of the day that has begun there is no digest
    clock.later(hours=20)
    assert (teller.flush(), teller.flush()) == (1, 0)
    assert webhook.titles[-1] == "[llm-twin] The last day: 1 alerts"
    clock.later(days=1)
    assert teller.flush() == 0


def told() -> dict[str, list[str]]:
    """The titles in the outbox, by kind."""
    found: dict[str, list[str]] = {}
    for alert in Deployment().notifier.outbox.all():
        found.setdefault(alert.kind, []).append(alert.title)
    return found


def run(instance: dg.DagsterInstance, name: str, error: Exception | None, **tags: str) -> None:
    """A run of a job, and then the sensors' reading of how it ended."""

    @dg.op
    def step() -> None:
        if error is not None:
            raise RuntimeError("the outer one") from error

    @dg.job(name=name)
    def work() -> None:
        step()

    result = work.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
    context = dg.build_run_status_sensor_context(
        sensor_name="alerts",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_success_event() if result.success else result.get_run_failure_event(),
        resources=all_resources(),
    )
    with context:
        if result.success:
            alerts_of_successes(context)
        else:
            alerts_of_failures(context.for_run_failure())


def test_runs_that_fail_are_told_once_a_cause_until_they_succeed(home: Path, instance: dg.DagsterInstance) -> None:
    away = WarehouseUnavailable("MongoDB at db:1 does not answer.\nMore of it.")
    run(instance, "ingest", away, **{"dagster/will_retry": "true"})
    assert told() == {}
    for _ in range(2):
        run(instance, "ingest", away, launched_because="1 of 4 sources are due")
    assert told() == {"run_failed": ["The run of ingest failed"]}
    (alert,) = Deployment().notifier.outbox.all()
    assert alert.text.splitlines()[:3] == [
        "MongoDB at db:1 does not answer.",
        "Step: step",
        "Launched because: 1 of 4 sources are due",
    ]
    assert alert.reports == 2
    run(instance, "ingest", None)
    run(instance, "ingest", away)
    assert Deployment().notifier.outbox.all()[0].reports == 1
    run(instance, "ingest", ValueError("Dear diary, nobody shall read this"))
    assert "diary" not in " ".join(alert.text for alert in Deployment().notifier.outbox.all())


def test_a_blocking_check_a_trained_and_a_deployed_model_are_told(home: Path, instance: dg.DagsterInstance) -> None:
    @dg.asset
    def registered_model() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"version": "1.1.0", "verdict": "not worse"})

    @dg.asset
    def inference_endpoint() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"version": "1.1.0", "previous": "1.0.0", "seconds": 21.4})

    @dg.asset_check(asset=registered_model, blocking=True)
    def passes() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False)

    for assets in ([registered_model, inference_endpoint], [registered_model, passes]):
        result = dg.materialize(assets, instance=instance, raise_on_error=False)
        records = instance.get_records_for_run(result.run_id).records
        events = [record.event_log_entry.dagster_event for record in records]
        last = next(event for event in events if event and event.event_type in ENDED)
        context = dg.build_run_status_sensor_context(
            "alerts", last, instance, result.dagster_run, resources=all_resources()
        )
        with context:
            alerts_of_successes(context) if result.success else alerts_of_failures(context.for_run_failure())
    assert told() == {
        "training_succeeded": ["Version 1.1.0 of llm-twin is trained and registered"],
        "deployed": ["Version 1.1.0 is live"],
        "check_failed": ["A check stopped __ephemeral_asset_job__ before anything was published"],
    }


ENDED = (dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE)


def test_a_source_that_fails_for_long_is_told_and_again_when_it_fails_anew(
    home: Path, warehouse: Warehouse, webhook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERT_URLS", webhook.url)
    monkeypatch.setenv("ALERT_SOURCE_HOURS", "0.0000001")
    notes = Source(kind="folder", location=str(tmp_path / "notes"), author="Ada")
    warehouse.sources.add([notes])

    def look() -> str:
        ingestion.ingest([notes], warehouse, read(SourceSettings))
        with dg.build_sensor_context(resources=all_resources()) as context:
            said = alerts_of_state(context)
            assert isinstance(said, dg.SkipReason)
            return said.skip_message or ""

    said = look()
    assert said.startswith("1 messages went out.")
    assert "model registry" in said  # it does not run here: what cannot be seen is said, and stops nothing
    since = warehouse.sources.last_looks()[notes.id].failing_since
    look()
    assert warehouse.sources.last_looks()[notes.id].failing_since == since
    assert len(webhook.got) == 1
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("# Engines\n\nEngines turn heat into work.\n")
    look()
    assert warehouse.sources.last_looks()[notes.id].failing_since is None
    (tmp_path / "notes" / "a.md").unlink()
    (tmp_path / "notes").rmdir()
    look()
    assert [message["title"] for message in webhook.got] == ["[llm-twin] A source could not be read for 0 hours"] * 2
