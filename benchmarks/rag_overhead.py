"""What the RAG app costs beyond retrieval and the model: `python benchmarks/rag_overhead.py [--chunks 1000 5000]`.

Real parts: mongod, Qdrant's engine, the embedding model, the console with the opik SDK. The model alone is a fake that
answers at once, so that everything that is left is ours. Vectors of the chunks are random: searching costs the same.
Prints a table of milliseconds; `own` is the time until the answer minus retrieval and generation, `http` is what the
client waited beyond what the app measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np

from twin.deployment.addresses import OPIK_PATH
from twin.features import embedding
from twin.features.index import open_index
from twin.home import Home
from twin.processes import Child, answers, free_port, wait_until
from twin.records import Chunk, Document, Source
from twin.settings import EmbeddingSettings, QdrantSettings, read
from twin.warehouse import Warehouse, mongod

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

WORDS = "index chunk heading author vector search passage model answer prompt trace reader pointer folder".split()  # noqa: SIM905
PIECES = ["Readers notice the pointer", " and load", " the new generation."]
QUESTION = "How do readers notice that a new generation of the index was published?"


class InstantModel(BaseHTTPRequestHandler):
    """Chat completions without a model: three pieces, at once."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(b"{}", "application/json")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        deltas = [{"choices": [{"delta": {"content": piece}}]} for piece in PIECES]
        last = {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9}, "model": "instant"}
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in [*deltas, last])
        self._send((body + "data: [DONE]\n\n").encode(), "text/event-stream")

    def log_message(self, format: str, *_: object) -> None:
        """Says nothing."""

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def chunks(count: int, dimensions: int, query: np.ndarray) -> Iterable[tuple[Chunk, np.ndarray]]:
    """Chunks of 130 words with random unit vectors; the first few lie near the question, so that it is answered."""
    random = np.random.default_rng(0)
    for number in range(count):
        vector = random.normal(size=dimensions).astype(np.float32)
        vector = vector / np.linalg.norm(vector) + (query * 2 if number < 8 else 0)
        text = " ".join(random.choice(WORDS, 130))
        chunk = Chunk(
            id=f"00000000-0000-0000-0000-{number:012d}",
            document_id=f"document-{number // 10}",
            revision=1,
            ordinal=number,
            text=text,
            token_count=150,
            title=f"Document {number // 10}",
            url=f"https://example.com/{number // 10}",
            author="Ada",
        )
        yield chunk, (vector / np.linalg.norm(vector)).astype(np.float32)


def publish(home: Home, count: int) -> None:
    """Publishes `count` chunks."""
    embedder = embedding.load(read(EmbeddingSettings))
    points = {
        chunk.id: (chunk, vector) for chunk, vector in chunks(count, embedder.dimensions, embedder.embed([QUESTION])[0])
    }
    index = open_index(read(QdrantSettings), home.index, dimensions=embedder.dimensions)

    def load(ids: Sequence[str]) -> Iterable[tuple[Chunk, np.ndarray]]:
        return (points[key] for key in ids)

    index.publish(dict.fromkeys(points, str(count)), load, schema="benchmark")
    index.close()


@contextlib.contextmanager
def instant_model() -> Generator[str]:
    """The fake model's URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), InstantModel)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


@contextlib.contextmanager
def program(name: str, environment: dict[str, str]) -> Generator[str]:
    """A program of this project, once it is ready."""
    port = free_port()
    command = [sys.executable, "-m", name, "--host", "127.0.0.1", "--port", str(port)]
    with Child(name, command, env=environment) as child:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{url}/health/ready", 5), what=name, timeout=60, child=child)
        yield url


def measure(url: str, requests: int) -> dict[str, list[float]]:
    """Milliseconds of `requests` searches, then of as many answers, one at a time, each after a tenth to warm up.

    Searches come first and alone: what follows an answer (storing, tracing) takes the cores from whatever is next.
    """
    with httpx.Client(base_url=url, timeout=30) as client:
        searches = [search(client, number) for number in range(requests + requests // 10)]
        answered = [answer(client) for _ in range(requests + requests // 10)]
    counted = answered[-requests:]
    return {"search": searches[-requests:]} | {name: [figures[name] for figures in counted] for name in counted[0]}


def search(client: httpx.Client, number: int) -> float:
    """Milliseconds that a client waits for a search."""
    started = time.perf_counter()
    client.post("/search", json={"query": f"{QUESTION} {number}", "k": 4}).raise_for_status()
    return (time.perf_counter() - started) * 1000


def answer(client: httpx.Client) -> dict[str, float]:
    """Milliseconds of one answer, part by part."""
    started = time.perf_counter()
    timings = client.post("/rag", json={"query": QUESTION}).raise_for_status().json()["timings"]
    waited = (time.perf_counter() - started) * 1000
    return {
        "retrieval": timings["retrieval"],
        "generation": timings["generation"],
        "own": timings["total"] - timings["retrieval"] - timings["generation"],
        "http": waited - timings["total"],
    }


def report(count: int, figures: dict[str, list[float]]) -> None:
    """One line a figure."""
    for name, values in figures.items():
        p95 = statistics.quantiles(values, n=20)[-1]
        sys.stdout.write(f"{count:>7,} chunks  {name:<11} p50 {statistics.median(values):7.2f}  p95 {p95:7.2f} ms\n")


def main() -> None:
    """Measures each size with a fresh index on one warehouse."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, nargs="+", default=[1_000, 5_000])
    parser.add_argument("--requests", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        server = running.enter_context(mongod.start(Path(folder) / "mongo"))
        source = Source(kind="folder", location="/documents")
        document = Document(
            id="d", url="https://example.com", source_id=source.id, author="Ada", title="T", content="x"
        )
        with Warehouse(server.uri, "benchmark") as warehouse:
            warehouse.documents.observe(source, [document], complete=True)
        model = running.enter_context(instant_model())
        environment = {"MONGODB_URI": server.uri, "MONGODB_DATABASE": "benchmark", "MODEL_ENDPOINT_URL": model}
        console = running.enter_context(program("app.console", environment))
        for count in options.chunks:
            home = Home(Path(folder) / f"home-{count}")
            publish(home, count)
            twin = environment | {"TWIN_HOME": str(home.root), "OPIK_URL_OVERRIDE": console + OPIK_PATH}
            with program("app.rag", twin) as url:
                report(count, measure(url, options.requests))


if __name__ == "__main__":
    main()
