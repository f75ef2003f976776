"""When to run: what starts jobs by itself."""

from sensors.approval import approved_model

__all__ = ["ALL_SENSORS", "approved_model"]

ALL_SENSORS = [approved_model]
