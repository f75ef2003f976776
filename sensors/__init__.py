"""When to run: what starts jobs by itself, what keeps the record of them in order, and who is told."""

from sensors.alerts import alerts_of_failures, alerts_of_state, alerts_of_successes
from sensors.approval import approved_model
from sensors.drift import drift
from sensors.freshness import model_freshness
from sensors.housekeeping import housekeeping
from sensors.watch import watched_sources

__all__ = [
    "ALL_SENSORS",
    "alerts_of_failures",
    "alerts_of_state",
    "alerts_of_successes",
    "approved_model",
    "drift",
    "housekeeping",
    "model_freshness",
    "watched_sources",
]

ALL_SENSORS = [
    approved_model,
    watched_sources,
    model_freshness,
    housekeeping,
    alerts_of_failures,
    alerts_of_successes,
    alerts_of_state,
    drift,
]
