"""YAML as people write it at the top of a text: mappings, lists and words.

Every value stays the text that it is, so that the title `1:30`, `2024-01-02`, `no` or `0x1F` is that title and not a
number, a day or a truth. There are no aliases and no merge keys, through which a few hundred bytes become gigabytes.
"""

from __future__ import annotations

from typing import TypeAlias

import yaml

__all__ = ["NotPlainYaml", "Plain", "read"]

Plain: TypeAlias = "str | list[Plain] | dict[str, Plain] | None"

MAX_DEPTH = 16
MAX_EVENTS = 10_000
NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""libyaml's reader, where PyYAML was built with it: ten times as fast."""


class NotPlainYaml(Exception):
    """Why a text is not read, as in "it ...". `line` counts from 0."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


def read(text: str) -> Plain:
    """What a YAML document says. Of a key that comes twice, the last value counts; tags are passed over.

    The time and the memory it takes are in proportion to the text.

    Raises:
        NotPlainYaml: It is not YAML, has an alias, is nested too deep, or has a key that is no text.
    """
    try:
        return _Builder().build(text)
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise NotPlainYaml("is not valid YAML", mark.line if mark else 0) from None


class _Builder:
    """Puts the events of a parser together, without recursion, so that it can stop at any depth."""

    def __init__(self) -> None:
        self._open: list[list[Plain] | dict[str, Plain]] = []
        self._keys: list[str | None] = []
        """For each open node the key that waits for its value; None in a list, and where a key comes next."""
        self._root: Plain = None

    def build(self, text: str) -> Plain:
        for number, event in enumerate(yaml.parse(text, Loader=Loader)):
            line = event.start_mark.line if event.start_mark else 0
            if number > MAX_EVENTS:
                raise NotPlainYaml("has more values than are read", line)
            if isinstance(event, yaml.AliasEvent):
                raise NotPlainYaml("has an alias (`*name`), which is not read,", line)
            if isinstance(event, yaml.CollectionEndEvent):
                self._open.pop()
                self._keys.pop()
            elif isinstance(event, yaml.NodeEvent):
                self._add(event, line)
        return self._root

    def _add(self, event: yaml.NodeEvent, line: int) -> None:
        if isinstance(event, yaml.ScalarEvent):
            is_nothing = event.implicit[0] and event.value in NOTHING
            self._place(None if is_nothing else event.value, line)
            return
        node: list[Plain] | dict[str, Plain] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._place(node, line)
        self._open.append(node)
        self._keys.append(None)
        if len(self._open) > MAX_DEPTH:
            raise NotPlainYaml(f"is nested deeper than {MAX_DEPTH} levels", line)

    def _place(self, value: Plain, line: int) -> None:
        if not self._open:
            self._root = value
            return
        into = self._open[-1]
        if isinstance(into, list):
            into.append(value)
        elif (key := self._keys[-1]) is not None:
            into[key] = value
            self._keys[-1] = None
        elif isinstance(value, str):
            self._keys[-1] = value
        else:
            raise NotPlainYaml("has a key that is no text", line)
