"""Asking the twin, and looking at what it did."""

from __future__ import annotations

from typing import Annotated

import httpx
import msgspec
import typer

from llm_twin_dagster.cli.output import Json, explained, log, out, print_json, print_table, quiet_line
from llm_twin_dagster.stack import borrow
from twin import http_clients
from twin.decoding import NOT_JSON
from twin.errors import EmptyQuestion, ServiceUnavailable, TwinError
from twin.home import Home
from twin.rag.sayings import in_language_of
from twin.retrieval.result import Interpretation, Restriction
from twin.settings import RagSettings, read

__all__ = ["ask", "search", "traces"]

TIMEOUT_SECONDS = 180.0
SNIPPET_CHARS = 220
VERDICTS = {
    "nearest": "No passage is sure to answer this; these are the nearest. (Not found in any: {unseen})",
    "nothing": "No passage is about this; these are merely the first of the ranking.",
}
"""What is said above results that are not answered from."""
UNSUPPORTED = "[?]"
STACK = ["mongod", "console", "endpoint", "twin"]


@explained
def search(
    query: str,
    k: Annotated[int, typer.Option(min=1, max=50, help="How many passages.")] = 5,
    author: Annotated[str | None, typer.Option(help="Only this author's.")] = None,
    as_json: Json = False,
) -> None:
    """Find passages. Reads the published index directly; nothing needs to run."""
    from twin.deployment import Deployment

    retriever = Deployment().retriever
    settings = read(RagSettings)
    found = retriever.retrieve(query, k, author=retriever.author(author) if author is not None else None)
    found = retriever.ruled(found, least=settings.min_confidence, min_relevance=settings.min_relevance)
    if as_json:
        print_json(found)
        return
    for line in readings(found.interpretation):
        log.print(line, markup=False, style="dim", soft_wrap=True)
    if found.ruling and found.ruling.verdict != "answer":
        log.print(VERDICTS[found.ruling.verdict].format(unseen=", ".join(found.ruling.unseen) or "it"), style="dim")
    if not found.passages:
        out.print("Nothing is found. `llm-twin index status` tells what can be searched, `llm-twin ingest` adds to it.")
    for number, passage in enumerate(found.passages, start=1):
        where = " > ".join(dict.fromkeys([passage.title, *passage.heading_path]))
        out.print(f"[bold]{number}.[/] ", end="")
        out.print(f"{where}  ({passage.author}, relevance {passage.relevance or 0:.2f})", markup=False)
        out.print(f"   {passage.url}", markup=False, style="dim", soft_wrap=True)
        text = " ".join(passage.text.split())
        out.print(f"   {text[:SNIPPET_CHARS]}{'…' if len(text) > SNIPPET_CHARS else ''}", markup=False)


def readings(interpretation: Interpretation) -> list[str]:
    """What a question was taken to ask for, a line for each restriction, and what did not work."""
    return [_reading(restriction) for restriction in interpretation.restrictions] + interpretation.notes


def _reading(restriction: Restriction) -> str:
    what = f"{restriction.field}: {restriction.means}"
    whence = f"“{restriction.text}”" if restriction.text else "as the model read the question"
    return f"{what}{'' if restriction.applied else ' leaves nothing, so it is not applied'}  ({whence})"


@explained
def ask(
    question: str,
    author: Annotated[str | None, typer.Option(help="Whose voice answers.")] = None,
    as_json: Json = False,
) -> None:
    """Ask the twin. Uses the running stack, or starts what is needed for the length of the answer."""
    if not question.strip():
        raise EmptyQuestion("The question is empty. Ask something.")
    home = Home.from_settings()
    with borrow(home, STACK, quiet_line if not as_json else lambda *_: None) as urls:
        answer = post(f"{urls['twin']}/rag", {"query": question, "author": author})
    if as_json:
        print_json(answer)
    else:
        print_answer(answer)


@explained
def traces(
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 10,
    as_json: Json = False,
) -> None:
    """The latest traces, from the console."""
    home = Home.from_settings()
    with borrow(home, ["mongod", "console"], quiet_line if not as_json else lambda *_: None) as urls:
        response = http_clients.request("GET", f"{urls['console']}/api/traces", params={"limit": limit}, timeout=30)
        if response.is_error:
            raise ServiceUnavailable(f"The console answered {response.status_code}. See TWIN_HOME/logs/console.log.")
        rows = response.json()["traces"]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["started", "name", "question", "ms", "trace"],
        [[r.get(key) for key in ("start_time", "name", "question", "duration_ms", "id")] for r in rows],
        empty="No traces yet: ask something with `llm-twin ask QUESTION`.",
    )


def post(url: str, body: dict) -> dict:
    """The twin's answer to a request.

    Raises:
        TwinError: With the twin's own message where it answered with an error.
    """
    try:
        given = {k: v for k, v in body.items() if v is not None}
        response = http_clients.request("POST", url, json=given, timeout=TIMEOUT_SECONDS)
    except httpx.HTTPError as error:
        raise ServiceUnavailable(
            f"The twin at {url} does not answer ({error}). See TWIN_HOME/logs/twin.log."
        ) from error
    try:
        content = msgspec.json.decode(response.content)
    except NOT_JSON as error:
        raise ServiceUnavailable(f"{url} answered {response.status_code}, and not as the twin does.") from error
    if response.is_error:
        raise TwinError(content.get("error", {}).get("message") or f"The twin answered {response.status_code}.")
    return content


def marked(answer: dict) -> str:
    """The answer, a mark behind each sentence that no passage says, and what the marks mean; whether it is cut."""
    sentences = answer.get("sentences") or [{"text": answer["answer"], "supported": True}]
    notes = [f"{UNSUPPORTED} No passage says this."] if not all(one["supported"] for one in sentences) else []
    if answer.get("finish_reason") == "length":
        notes.append(f"… {in_language_of(answer['answer']).unfinished} (RAG_MAX_ANSWER_TOKENS)")
    return "\n\n".join(["".join(map(_with_mark, sentences)).rstrip(), *notes])


def _with_mark(sentence: dict) -> str:
    said = sentence["text"].rstrip()
    blanks = sentence["text"][len(said) :]
    return f"{said}{blanks}" if sentence["supported"] or not said else f"{said} {UNSUPPORTED}{blanks}"


def print_answer(answer: dict) -> None:
    """The answer with its unsupported sentences marked, its sources and what it cost."""
    out.print(marked(answer), markup=False)
    out.print()
    for number, source in enumerate(answer.get("sources", []), start=1):
        out.print(f"[{number}] {source['title']} — {source['url']}", markup=False, style="dim", soft_wrap=True)
    for line in readings(msgspec.convert(answer["interpretation"], Interpretation)):
        log.print(line, markup=False, style="dim", soft_wrap=True)
    timings = answer.get("timings", {})
    shown = ", ".join(f"{name} {value:.0f} ms" for name, value in timings.items())
    log.print(f"trace {answer.get('trace_id')}  {shown}", style="dim", soft_wrap=True)
