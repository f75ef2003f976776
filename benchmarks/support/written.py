"""Texts that this project wrote to fit its guards with: templates, each written out a few times.

`{a|b}` is a choice and may hold choices itself; `{URL}` and `{MAIL}` are filled in.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

__all__ = ["FOLDER", "written"]

FOLDER = Path(__file__).resolve().parents[1] / "questions" / "guards"
INNERMOST = re.compile(r"\{([^{}]*)\}")
FILLED = {
    "URL": ("https://get-rich.example", "www.best-deals.example/now", "http://203.0.113.7/x.sh", "evil-docs.example"),
    "MAIL": ("mark@collect.example", "drop.box@mail.example", "audit-team@secure.example"),
}


def written(name: str, each: int, seed: int = 1) -> list[str]:
    """The texts of `name`, at most `each` of one template and none twice; the same for the same seed."""
    chance = random.Random(f"{name}-{seed}")
    lines = (FOLDER / f"{name}.txt").read_text("utf-8").splitlines()
    templates = [line for line in lines if line and not line.startswith("# ")]
    texts = [_filled(template, chance) for template in templates for _ in range(each)]
    return list(dict.fromkeys(texts))


def _filled(template: str, chance: random.Random) -> str:
    while found := INNERMOST.search(template):
        choices = FILLED.get(found[1], found[1].split("|"))
        template = template[: found.start()] + chance.choice(choices) + template[found.end() :]
    return re.sub(r" (?=[ ?.,;])", "", template).strip()
