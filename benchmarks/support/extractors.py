"""The contestants of benchmarks/extraction.py: each turns a page into markdown, or into text when it knows no markdown.

Run as a program it is one contestant in a process of its own: its name as argument, a JSON list of pages on standard
input, `{"texts": [...], "seconds": [...]}` on standard output.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OURS", "PEERS"]

URL = "https://blog.example/post"
WARM = 3


def ours(html: str) -> str:
    from twin.collection.pages import webpage

    return webpage.read(html, URL).content


def trafilatura_with(**options: Any) -> Callable[[str], str]:
    def extract(html: str) -> str:
        import trafilatura

        given: dict[str, Any] = {
            "output_format": "markdown",
            "include_formatting": True,
            "include_links": True,
            "include_comments": False,
        }
        return trafilatura.extract(html, url=URL, **given | options) or ""

    return extract


def readability_markdownify(html: str) -> str:
    from markdownify import markdownify
    from readability import Document  # ty: ignore[import-not-found]

    return markdownify(Document(html).summary(), heading_style="ATX")


def readability_html_to_markdown(html: str) -> str:
    from html_to_markdown import convert  # ty: ignore[import-not-found]
    from readability import Document  # ty: ignore[import-not-found]

    found: Any = convert(Document(html).summary())
    return found if isinstance(found, str) else found.content


def resiliparse(html: str) -> str:
    from resiliparse.extract.html2text import extract_plain_text  # ty: ignore[import-not-found]

    return extract_plain_text(html, main_content=True, comments=False)


def justext(html: str) -> str:
    import justext

    found = justext.justext(html.encode(), justext.get_stoplist("English"))
    return "\n\n".join(paragraph.text for paragraph in found if not paragraph.is_boilerplate)


def boilerpy3(html: str) -> str:
    from boilerpy3 import extractors  # ty: ignore[import-not-found]

    return extractors.ArticleExtractor(raise_on_failure=False).get_content(html)


def newspaper4k(html: str) -> str:
    from newspaper import Article  # ty: ignore[import-not-found]

    article = Article(URL, fetch_images=False)
    article.download(input_html=html)
    article.parse()
    return article.text


def goose3(html: str) -> str:
    from goose3 import Goose  # ty: ignore[import-not-found]

    return Goose().extract(raw_html=html).cleaned_text or ""


OURS = {"this project": ours}
PEERS: dict[str, Callable[[str], str]] = {
    "trafilatura": trafilatura_with(),
    "trafilatura, recall": trafilatura_with(favor_recall=True),
    "trafilatura, precision": trafilatura_with(favor_precision=True),
    "trafilatura, fast": trafilatura_with(fast=True),
    "readability + markdownify": readability_markdownify,
    "readability + html-to-markdown": readability_html_to_markdown,
    "resiliparse": resiliparse,
    "justext": justext,
    "boilerpy3": boilerpy3,
    "newspaper4k": newspaper4k,
    "goose3": goose3,
}


def main(name: str) -> None:
    """Reads the first pages twice, to be warm; a page that cannot be read gives no text."""
    extract = (OURS | PEERS)[name]
    pages = json.load(sys.stdin)
    texts, seconds = [], []
    for number, page in enumerate([*pages[:WARM], *pages]):
        start = time.process_time()
        try:
            text = extract(page)
        except Exception as error:  # noqa: BLE001 - whatever a peer raises on a page, it found nothing there
            print(f"{name}: page {number - WARM}: {type(error).__name__}: {error}"[:200], file=sys.stderr)
            text = ""
        if number >= WARM:
            texts.append(text)
            seconds.append(time.process_time() - start)
    json.dump({"texts": texts, "seconds": seconds}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
