"""When to run: what starts jobs by itself, and what keeps the record of them in order."""

from sensors.approval import approved_model
from sensors.housekeeping import housekeeping
from sensors.watch import watched_sources

__all__ = ["ALL_SENSORS", "approved_model", "housekeeping", "watched_sources"]

ALL_SENSORS = [approved_model, watched_sources, housekeeping]
