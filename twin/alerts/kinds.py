"""The kinds of alerts. Each is a file in `templates`: its words, how grave it is, and when it is told again."""

from __future__ import annotations

import functools
import re
from importlib.resources import files
from string import Template as Words
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from twin.alerts.wording import own_secrets, safe

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KINDS", "Kind", "Severity", "Template", "template"]

Kind = Literal[
    "run_failed",
    "check_failed",
    "training_succeeded",
    "review_waits",
    "deployed",
    "rolled_back",
    "source_failing",
    "drift",
    "tokens_jumped",
    "step_slow",
    "disk_full",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
Severity = Literal["info", "success", "warning", "failure"]

GUIDE = "docs/operations/alerts.md"
PLACEHOLDER = re.compile(r"\$(\w+)")


class Template(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one kind of alert reads and behaves."""

    title: str
    text: str
    """Lines with `$placeholders`; a line whose placeholders are all empty is left out."""
    severity: Severity
    sample: dict[str, str]
    """Values for `llm-twin alerts test`."""
    lasts: bool = False
    """Whether it is a state, which is looked at again and again, and not something that happened."""
    urgent: bool = False
    """Whether it goes out in quiet hours too."""
    reminders: int = 0
    """How often the same cause is told again."""
    remind_after_hours: float = 24
    """How long after it was told last."""

    @property
    def fields(self) -> set[str]:
        """The placeholders of title and text."""
        return set(PLACEHOLDER.findall(self.title + self.text))

    def render(self, values: Mapping[str, object]) -> tuple[str, str]:
        """Title and text with the values, each made safe to send.

        Raises:
            KeyError: A placeholder has no value.
        """
        secrets = own_secrets()
        told = {name: safe(str(value), secrets) for name, value in values.items() if value not in (None, "")}
        empty = dict.fromkeys(set(values) - set(told), "")
        lines = [
            Words(line).substitute(empty | told)
            for line in self.text.splitlines()
            if not (named := PLACEHOLDER.findall(line)) or any(name in told for name in named)
        ]
        return Words(self.title).substitute(empty | told), "\n".join(lines).strip()


@functools.cache
def template(kind: Kind) -> Template:
    """The template of a kind, with the way to its paragraph in the handbook."""
    content = files("twin.alerts").joinpath("templates", f"{kind}.yaml").read_bytes()
    read = msgspec.yaml.decode(content, type=Template)
    guide = f"What to do: {GUIDE}#{kind.replace('_', '-')}"
    return msgspec.structs.replace(read, text=f"{read.text.rstrip()}\n{guide}")
