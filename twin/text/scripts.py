"""Scripts whose letters count one by one, most of them for want of blanks between words; ranges of a character class.

Which of them, each room says: signatures and rankings hold what was chosen when they were made.
"""

from __future__ import annotations

import re

__all__ = ["HAN", "HANGUL", "HIRAGANA", "KANA", "KHMER", "LAO", "MYANMAR", "RARE_HAN", "THAI", "word_pattern"]

THAI = r"\u0e00-\u0e7f"
LAO = r"\u0e80-\u0eff"
MYANMAR = r"\u1000-\u109f"
KHMER = r"\u1780-\u17ff"
HIRAGANA = r"\u3040-\u309f"
KANA = r"\u3040-\u30ff"
HAN = r"\u3400-\u9fff"
RARE_HAN = r"\U00020000-\U0003ffff"
HANGUL = r"\uac00-\ud7af"


def word_pattern(alone: str = "") -> re.Pattern[str]:
    """Finds runs of letters and digits, and each letter of the ranges `alone` by itself."""
    return re.compile(rf"(?=\w)[{alone}]|[^\W_{alone}]+" if alone else r"[^\W_]+")
