"""The console logger: one line an event, to whoever listens in this process, else to standard error."""

import logging
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

import dagster as dg

__all__ = ["console_logger", "listening"]

_listener: Callable[[str, str], None] | None = None
"""One for the process, not for the context: steps tell their progress from the threads that read their children."""

TOLD = {"STEP_START": "started", "STEP_FAILURE": "failed", "STEP_SKIPPED": "skipped"}
"""Of Dagster's own events, these are told to a listener; what steps log themselves is told always."""


@contextmanager
def listening(on_line: Callable[[str, str], None] | None) -> Generator[None]:
    """Sends the log lines of runs in this process to `on_line` for the length of the block."""
    global _listener
    before, _listener = _listener, on_line
    try:
        yield
    finally:
        _listener = before


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", None) or {}
        step = (meta.get("step_key") if isinstance(meta, dict) else getattr(meta, "step_key", None)) or "run"
        event = meta.get("dagster_event") if isinstance(meta, dict) else getattr(meta, "dagster_event", None)
        text = TOLD.get(event.event_type_value) if event is not None else _message(meta, record)
        if text is None or text.startswith("Dependencies for step"):  # the failed step itself has been told
            return
        if _listener is not None:
            _listener(step, text)
        else:
            sys.stderr.write(f"{record.levelname} {step}: {text}\n")


def _message(meta: object, record: logging.LogRecord) -> str:
    original = meta.get("orig_message") if isinstance(meta, dict) else None
    return str(original or record.getMessage())


@dg.logger(description="One line an event, without Dagster's internal events.", config_schema={})
def console_logger(_context: dg.InitLoggerContext) -> logging.Logger:
    """The logger of every job of this project."""
    logger = logging.Logger("llm_twin", level=logging.INFO)
    logger.addHandler(_Handler())
    return logger
