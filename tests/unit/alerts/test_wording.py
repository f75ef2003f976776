"""A message that leaves the house holds no secret, and nothing that an author wrote."""

from __future__ import annotations

import pytest

from twin.alerts import KINDS, template
from twin.alerts.wording import safe, sayable_cause

DIARY = "Dear diary, today I walked along the river and thought of her"


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("https://ada:hunter2@example.com/feed?token=abc#x failed", "https://example.com/feed failed"),
        (f"cannot parse '{DIARY}' as a date", "cannot parse […] as a date"),
        (f"cannot parse “{DIARY}” as a date", "cannot parse […] as a date"),
        ("the setting 'TWIN_HOME' is missing", "the setting 'TWIN_HOME' is missing"),
        ("two\nlines\x1b[31m and a tab\t", "two lines [31m and a tab"),
        ("mail ada@lovelace.org about it", "mail [EMAIL] about it"),
    ],
)
def test_what_must_not_be_said_is_left_out(said: str, sent: str) -> None:
    assert safe(said) == sent


def test_the_settings_own_secrets_are_never_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URI", "mongodb://twin:s3cr3t-word@db.example.com/llm")
    monkeypatch.setenv("ALERT_URLS", "json://hooks.example.com/T0P/S3CRET mailto://a:b-word@example.com")
    said = safe("login with s3cr3t-word at json://hooks.example.com/T0P/S3CRET or b-word")
    assert said == "login with *** at *** or ***"


def test_a_long_line_is_cut() -> None:
    assert safe("word " * 200).endswith("…")
    assert len(safe("word " * 200)) == 240


@pytest.mark.parametrize(
    ("kind", "message", "told"),
    [
        ("WarehouseUnavailable", "MongoDB at db:1 does not answer.\nmore", "MongoDB at db:1 does not answer."),
        ("WarehouseUnavailable", "twin.errors.WarehouseUnavailable: It is away.\n", "It is away."),
        ("FileNotFoundError", "FileNotFoundError: [Errno 2] No such file: '/a'", None),
        ("OSError", "[Errno 28] No space left on device", "[Errno 28] No space left on device"),
        ("ValueError", f"could not convert {DIARY}", "ValueError; the run's page tells the rest"),
        ("TrainingFailed", f"Training x failed: {DIARY}", "TrainingFailed; the run's page tells the rest"),
        ("UnicodeDecodeError", DIARY, "UnicodeDecodeError; the run's page tells the rest"),
    ],
)
def test_only_our_own_errors_and_the_systems_are_quoted(kind: str, message: str, told: str | None) -> None:
    said = sayable_cause(kind, message)
    assert said == (told if told is not None else message)


@pytest.mark.parametrize("kind", KINDS)
def test_the_sample_of_each_kind_fills_its_words_and_fits_a_phone(kind: str) -> None:
    words = template(kind)
    assert set(words.sample) == words.fields
    title, text = words.render(words.sample)
    assert "$" not in title + text
    assert len(title) < 90
    assert len(text.splitlines()) <= 7


def test_lines_without_a_value_are_left_out() -> None:
    sample = template("run_failed").sample | {"launched": "", "step": ""}
    _, text = template("run_failed").render(sample)
    assert "Launched" not in text
    assert "Step" not in text
