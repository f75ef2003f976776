"""What stands before each app: HEAD as GET, compressed bodies unpacked, files by name, bytes that are no JSON."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from litestar import Litestar, Request, Response, get, post
from litestar.params import JSONBody  # noqa: TC002 - Litestar reads the annotations at run time
from litestar.testing import TestClient

from app.http.bodies import JsonRequest, read_json
from app.http.problems import Fault, exception_handlers
from app.http.server import front
from app.http.static import static_files
from twin.http_servers import Hosts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT = 100_000


class Note(msgspec.Struct):
    text: str


@get("/health", sync_to_thread=False)
def health() -> dict[str, str]:
    return {"status": "live"}


@post("/typed", status_code=200)
async def typed(data: JSONBody[Note]) -> str:
    return data.text


@post("/read", status_code=200)
async def read(request: Request) -> str:
    return (await read_json(request, Note)).text


def as_text(_request: Request, fault: Fault) -> Response[str]:
    return Response(fault.message, status_code=fault.status, headers=fault.headers)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient[Any]]:
    (tmp_path / "page.css").write_text("body {}")
    app = Litestar(
        [health, typed, read, static_files(tmp_path)],
        request_class=JsonRequest,
        request_max_body_size=LIMIT,
        exception_handlers=exception_handlers(as_text),
    )
    with TestClient(front(app, Hosts("testserver.local")), raise_server_exceptions=False) as client:
        yield client


def test_head_is_answered_where_get_is(client: TestClient[Any]) -> None:
    answer = client.head("/health")
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(client.get("/health").content)))
    assert client.head("/read").status_code == 405


NOTE = b'{"text": "hello"}'
PACKED = {"gzip": gzip.compress(NOTE), "X-GZIP": gzip.compress(NOTE), "deflate": zlib.compress(NOTE), "identity": NOTE}


@pytest.mark.parametrize("path", ["/typed", "/read"])
@pytest.mark.parametrize("encoding", PACKED)
def test_a_compressed_body_is_unpacked(client: TestClient[Any], path: str, encoding: str) -> None:
    answer = client.post(path, content=PACKED[encoding], headers={"content-encoding": encoding})
    assert (answer.status_code, answer.text) == (200, "hello")


@pytest.mark.parametrize("path", ["/typed", "/read"])
@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("br", NOTE, 415),
        ("gzip, gzip", PACKED["gzip"], 415),
        ("gzip", NOTE, 400),
        ("gzip", PACKED["gzip"][:-4], 400),
        ("gzip", PACKED["gzip"] * 2, 400),
        ("gzip", gzip.compress(b'{"text": "%s"}' % (b"a" * 500 * LIMIT), 1), 413),
    ],
    ids=["brotli", "twice", "not packed", "cut off", "two in one", "a bomb"],
)
def test_what_cannot_be_unpacked_within_bounds_is_refused(
    client: TestClient[Any], path: str, encoding: str, body: bytes, status: int
) -> None:
    answer = client.post(path, content=body, headers={"content-encoding": encoding})
    assert answer.status_code == status
    assert status != 415 or "gzip" in answer.headers["accept-encoding"]


@pytest.mark.parametrize("path", ["/typed", "/read"])
@pytest.mark.parametrize("body", [b'{"text": "\xff"}', b'{"text": ' + b"[" * 1_000, b'{"text": ' + b"[" * 50_000, b"{"])
def test_bytes_that_are_no_json_are_the_clients_mistake(client: TestClient[Any], path: str, body: bytes) -> None:
    assert client.post(path, content=body).status_code == 400


@pytest.mark.parametrize("name", ["%00", "a%00.css", "a" * 5_000, "..%2Fpage.css", "%2e%2e/secret", ""])
def test_a_file_that_is_not_there_is_not_found(client: TestClient[Any], name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_a_file_that_is_there_is_served(client: TestClient[Any]) -> None:
    answer = client.get("/static/page.css")
    assert (answer.text, answer.headers["content-type"]) == ("body {}", "text/css; charset=utf-8")
    assert answer.headers["content-disposition"].startswith("inline")
