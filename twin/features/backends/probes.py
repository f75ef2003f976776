"""Texts on which an 8-bit conversion is compared with float32: prose, questions, code, tables, other scripts, noise."""

from __future__ import annotations

__all__ = ["PROBES"]

PROSE = (
    "A twin of an author answers in the author's own voice, from documents that the author wrote. What it does not "
    "find there, it does not know, and it says so instead of guessing. Each answer names the passages that it rests "
    "on, so that a reader can go and look. When a document changes, the passages that changed are embedded again and "
    "the index is published anew; whoever searches meanwhile is answered from the generation before."
)
STORY = (
    "We took the early train north, past orchards still white with frost, and by noon the harbour lay below us. Nobody "
    "had told the ferryman that we were coming. He shrugged, named a price, and whistled for his daughter, who could "
    "start the engine with one pull where he needed seven."
)
CODE = """```python
def running_mean(values, width):
    window, total = deque(), 0.0
    for value in values:
        window.append(value)
        total += value
        if len(window) > width:
            total -= window.popleft()
        yield total / len(window)
```"""
TABLE = """| model | parameters | loss | tokens/s |
|---|---|---|---|
| small | 135M | 1.59 | 50.2 |
| large | 1.7B | 1.12 | 6.8 |"""

PROBES = (
    "What is retrieval-augmented generation?",
    "who wrote about fine-tuning in 2023",
    "",
    "Fine-tuning",
    PROSE,
    STORY,
    CODE,
    TABLE,
    f"Notes > Engineering > Index\n\n{PROSE} {STORY}",
    f"{STORY}\n\n{CODE}",
    "Ein Satz auf Deutsch mit Umlauten: größer, schöner, übermäßig; und noch einer, der nicht viel länger ist.",
    "日本語の短い文章です。检索增强生成先查找段落，然后回答。",
    "https://example.com/a/b?c=1&d=%20 0xdeadbeef 3.14159 -42 1e-9 !!! ??? ...",
    "word " * 120,
)
"""None is longer than 256 tokens of a BERT vocabulary; a model that takes less sees their beginnings."""
