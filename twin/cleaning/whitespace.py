"""Characters and blank space: one form of each character, no invisible ones, no needless blank lines."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from twin.text.markdown import code_lines, map_prose

__all__ = ["normalise", "settle_blank_lines"]

LINE_ENDS = ("\r\n", "\r", "\u2028", "\u2029", "\u0085")
INVISIBLE = "\u200b\u2060\ufeff\u00ad\u200e\u200f\u202a-\u202e\u2066-\u2069\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
WIDE_SPACES = "\u00a0\u2000-\u200a\u202f\u205f\u3000"
STYLED_LETTERS = "\U0001d400-\U0001d7ff"
ODD = re.compile(f"[{INVISIBLE}{WIDE_SPACES}{STYLED_LETTERS}]")
JOINERS = re.compile("[\u200c\u200d]+")
SURPLUS_BLANK_LINE = re.compile(r"\n[^\S\n]*\n[^\S\n]*\n|\n[^\S\n]+\n")
HARD_BREAK = "  "
CODE_INDENT = "    "
MAX_PASSES = 8
"""A person's text settles in two."""


def normalise(text: str) -> str:
    """`text` with line feeds for line ends and, outside fenced code, Unicode in NFC without invisible characters.

    Letters of the mathematical alphabets, which some write for bold (`𝗯𝗼𝗹𝗱`), become plain ones: no search finds them
    and no tokenizer knows them. Trailing blanks go, except the two that make a line break in markdown.
    """
    for line_end in LINE_ENDS:
        text = text.replace(line_end, "\n")
    for _ in range(MAX_PASSES):
        plain = map_prose(text, _plain_text)
        if plain == text:
            break
        text = plain  # without an invisible character before it, a line may now begin or end code
    return map_prose(text, _without_trailing_blanks)


def settle_blank_lines(text: str) -> str:
    """`text` without blank lines at its ends, and with at most one between paragraphs.

    Between two indented lines they stay: those may be code.
    """
    lines = text.split("\n")
    if lines[0].strip() and lines[-1].strip() and not SURPLUS_BLANK_LINE.search(text):
        return text
    kept: list[str] = []
    blank = 0
    for line, is_code in zip(lines, code_lines(lines), strict=True):
        if not is_code and not line.strip():
            blank += 1
            continue
        if kept and blank:
            inside_code = line.startswith(CODE_INDENT) and kept[-1].startswith(CODE_INDENT)
            kept += [""] * (blank if inside_code else 1)
        blank = 0
        kept.append(line)
    return "\n".join(kept)


def _plain_text(text: str) -> str:
    text = ODD.sub(_plain, text)
    return text if text.isascii() else unicodedata.normalize("NFC", JOINERS.sub(_one_joiner, text))


def _plain(odd: re.Match[str]) -> str:
    """What one odd character becomes."""
    char = odd[0]
    if char in "\x0b\x0c\x1c\x1d\x1e\x1f" or not char.isspace():
        return unicodedata.normalize("NFKC", char) if char >= "\U0001d400" else ""
    return " "


def _one_joiner(run: re.Match[str]) -> str:
    """Joiners make letters of some scripts and emoji, one at a time; beside ASCII they make nothing."""
    before, after = run.string[max(0, run.start() - 1) : run.start()], run.string[run.end() : run.end() + 1]
    return "" if before.isascii() or after.isascii() else run[0][0]


def _without_trailing_blanks(text: str) -> str:
    if " \n" not in text and "\t\n" not in text and not text.endswith((" ", "\t")):
        return text
    lines = text.split("\n")
    for number, (line, following) in enumerate(pairwise([*lines, ""])):
        if line.endswith((" ", "\t")):
            lines[number] = _with_hard_break_alone(line, following)
    return "\n".join(lines)


def _with_hard_break_alone(line: str, following: str) -> str:
    stripped = line.rstrip(" \t")
    is_hard_break = line.endswith(HARD_BREAK) and stripped and following.strip()
    return stripped + HARD_BREAK if is_hard_break else stripped
