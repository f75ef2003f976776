"""What may be said in a message that leaves the house: no secret, and nothing that an author wrote."""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING

from pydantic import SecretStr

from twin import errors, settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["is_ours", "own_secrets", "safe", "sayable_cause"]

MAX_CHARACTERS = 240
QUOTED_WORDS = 3
"""A longer quotation may be a document's text; names of files and settings are shorter."""
SHORTEST_SECRET = 4
ELIDED = "[…]"

QUOTED = re.compile(r"'([^'\n]*)'|\"([^\"\n]*)\"|“([^”\n]*)”|«([^»\n]*)»|`([^`\n]*)`|„([^“”\n]*)[“”]|‘([^’\n]*)’")
URL = re.compile(r"\b(https?://)(?:[^\s/@]*@)?([^\s?#'\"<>]*)(?:[?#][^\s'\"<>]*)?")

UNSPEAKABLE = ("TrainingFailed",)
"""Errors of ours that pass on what another program said."""
SPEAKABLE = ("MemoryError", "DagsterExecutionInterruptedError")
"""Errors whose words are the system's own, beside those of the file system and the network, and ours."""


def safe(text: str, secrets: Iterable[str] | None = None) -> str:
    """One line without secrets, addresses' credentials and options, personal data and long quotations.

    `secrets`: what `own_secrets` gave, where many lines are made; else it is asked.
    """
    line = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
    line = QUOTED.sub(lambda found: found[0] if len(found[0].split()) <= QUOTED_WORDS else ELIDED, line)
    for secret in own_secrets() if secrets is None else secrets:
        line = line.replace(secret, "***")
    line = URL.sub(r"\1\2", line)
    line = _redacted(line)
    return line if len(line) <= MAX_CHARACTERS else f"{line[: MAX_CHARACTERS - 1]}…"


def is_ours(class_name: str | None) -> bool:
    """Whether an error of that class was raised on purpose, in words that people can act on."""
    return class_name in errors.__all__


def sayable_cause(class_name: str, message: str) -> str:
    """The first line of an error, if its words are ours or the system's; else only what kind of error it was.

    Others' errors quote what they could not read, and that may be a document.
    """
    first = message.strip().partition("\n")[0].removeprefix(f"twin.errors.{class_name}: ").strip()
    ours = is_ours(class_name) and class_name not in UNSPEAKABLE
    if ours or class_name in SPEAKABLE or issubclass(_builtin(class_name), OSError):
        return safe(first) or class_name
    return f"{class_name}; the run's page tells the rest"


def _builtin(name: str) -> type:
    found = getattr(builtins, name, object)
    return found if isinstance(found, type) else object


def _redacted(line: str) -> str:
    from twin.cleaning import personal_data

    return personal_data.redact(line)[0]


def own_secrets() -> list[str]:
    """Every value of the settings that is masked, longest first, and the passwords in them."""
    found: set[str] = set()
    for concern in settings.SETTINGS_CLASSES:
        try:
            values = settings.read(concern)
        except errors.SettingsError:
            continue
        for name in type(values).model_fields:
            value = getattr(values, name)
            if isinstance(value, SecretStr):
                found.update(_parts(value.get_secret_value()))
    return sorted((secret for secret in found if len(secret) >= SHORTEST_SECRET), key=len, reverse=True)


def _parts(secret: str) -> Iterator[str]:
    for piece in secret.split():
        yield piece
        credentials = piece.partition("://")[2].rpartition("@")[0]
        if password := credentials.partition(":")[2]:
            yield password
