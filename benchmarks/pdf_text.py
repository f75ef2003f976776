"""How fast and how completely PDF files are read, beside the other libraries that could read them.

Run: `python benchmarks/pdf_text.py FILE.pdf...`. Peers (`pypdf`, `pdfminer.six`) take part where they are installed.
For each file: CPU seconds, best of `ROUNDS`, and the share of its words (those that most readers find) that each gives.
Our own line includes what the others leave out, headings, paragraphs and page frames, and leaves out running titles and
the dotted lines of tables of contents; and not the start of the child process, about 0.2 s a file.
"""

from __future__ import annotations

import importlib
import io
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 3


def ours(data: bytes) -> str:
    """PDFium's text with headings and paragraphs, as collection takes it."""
    from twin.collection.pages.extraction import pdf

    return pdf.read(data).content


def pdfium(data: bytes) -> str:
    """PDFium's text alone."""
    import pypdfium2

    return "\n".join(page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(data))


def pypdf(data: bytes) -> str:
    """pypdf, pure Python."""
    reader = importlib.import_module("pypdf").PdfReader(io.BytesIO(data))
    return "\n".join(page.extract_text() for page in reader.pages)


def pdfminer(data: bytes) -> str:
    """pdfminer.six, pure Python, with layout analysis."""
    return importlib.import_module("pdfminer.high_level").extract_text(io.BytesIO(data))


def main(files: list[str]) -> None:
    """Prints a line for each file and reader."""
    for file in files:
        data = Path(file).read_bytes()
        found = {reader.__name__: _measured(reader, data) for reader in (ours, pdfium, pypdf, pdfminer)}
        texts = [words for words, _ in found.values() if words]
        agreed = Counter(
            {word: sorted(words[word] for words in texts)[len(texts) // 2] for word in set().union(*texts)}
        )
        print(f"{Path(file).name}: {len(data) / 1e6:.2f} MB, {agreed.total():,} words")
        for name, (words, seconds) in found.items():
            share = (words & agreed).total() / max(agreed.total(), 1)
            print(f"  {name:10} {seconds:7.3f} s  {share:7.1%} of the words" if words else f"  {name:10} not installed")


def _measured(read: Callable[[bytes], str], data: bytes) -> tuple[Counter[str], float]:
    seconds = []
    text = ""
    for _ in range(ROUNDS):
        start = time.process_time()
        try:
            text = read(data)
        except ImportError:
            return Counter(), 0.0
        seconds.append(time.process_time() - start)
    return Counter(text.split()), min(seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
