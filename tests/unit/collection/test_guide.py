"""The guide on adding a source shows code that is in the source."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
GUIDE = PROJECT / "docs" / "guides" / "adding-a-source.md"
COLLECTOR = PROJECT / "twin" / "collection" / "collectors" / "mastodon.py"


def test_every_block_of_code_is_in_the_collector_as_it_is_shown() -> None:
    shown = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(shown) >= 5
    source = COLLECTOR.read_text(encoding="utf-8")
    assert [block for block in shown if block not in source] == []
