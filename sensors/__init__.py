"""When to run: what starts jobs by itself."""

from sensors.approval import approved_model
from sensors.watch import watched_sources

__all__ = ["ALL_SENSORS", "approved_model", "watched_sources"]

ALL_SENSORS = [approved_model, watched_sources]
