"""Who was told what, and whether telling works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from llm_twin_dagster.cli.output import Json, explained, fail, log, out, print_json, print_table
from twin.deployment import Deployment
from twin.errors import SettingsError

if TYPE_CHECKING:
    from twin.alerts import Alert

__all__ = ["app"]

app = typer.Typer(help="Who is told when something happens (ALERT_URLS).", no_args_is_help=True)


@app.command("test")
@explained
def try_alerts(as_json: Json = False) -> None:
    """Send one alert of each kind to every address in ALERT_URLS, now, and say what became of it."""
    notifier = Deployment().notifier
    if not notifier.destinations:
        raise SettingsError("ALERT_URLS is not set, so nobody is told anything. See docs/operations/alerts.md.")
    results = notifier.test()
    if as_json:
        print_json([result._asdict() for result in results])
    else:
        rows = [[one.kind, one.destination, one.problem or "delivered"] for one in results]
        print_table(["alert", "to", "outcome"], rows)
    if failed := sum(bool(result.problem) for result in results):
        fail(f"{failed} of {len(results)} messages were not delivered.")


@app.command("list")
@explained
def list_alerts(as_json: Json = False) -> None:
    """What was told in the last 30 days, the latest first, and what waits to be sent."""
    notifier = Deployment().notifier
    alerts = sorted(notifier.outbox.all(), key=lambda alert: alert.last_at, reverse=True)
    if as_json:
        print_json(alerts)
        return
    print_table(
        ["last", "alert", "what", "times", "state"],
        [
            [f"{alert.last_at:%Y-%m-%d %H:%M} UTC", alert.kind, alert.title, alert.reports, _state(alert)]
            for alert in alerts
        ],
        empty="Nothing has been told yet.",
    )
    if not notifier.destinations:
        out.print("ALERT_URLS is not set: alerts are kept here and sent nowhere.")
    for place, health in notifier.health():
        if health.failing_since:
            since = f"{health.failing_since:%Y-%m-%d %H:%M} UTC"
            log.print(f"[yellow]warning[/] {place.name} takes nothing since {since}: {health.error}", soft_wrap=True)


def _state(alert: Alert) -> str:
    if alert.waits:
        return "waits"
    sent = f"sent {alert.sent_at:%Y-%m-%d %H:%M} UTC" if alert.sent_at else "sent nowhere"
    return f"{sent}, over" if alert.over else sent
