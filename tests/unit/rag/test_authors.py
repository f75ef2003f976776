"""Authors are known without waiting for the warehouse, and an outage of it refuses nobody."""

from __future__ import annotations

import asyncio

import pytest

from twin.errors import UnknownAuthor, WarehouseUnavailable
from twin.rag import authors as module
from twin.rag.authors import Authors


class Warehouse:
    def __init__(self, names: list[str] | None) -> None:
        self.names = names
        self.calls = 0

    async def authors(self) -> list[str]:
        self.calls += 1
        if self.names is None:
            raise WarehouseUnavailable("MongoDB does not answer.")
        return list(self.names)


def test_an_author_is_found_by_name_and_by_id() -> None:
    async def scenario() -> list[str]:
        authors = Authors(Warehouse(["Ada Lovelace", "Bob"]).authors)
        return [await authors.resolve(wanted) for wanted in ("Ada Lovelace", "ada-lovelace", "ADA lovelace")]

    assert asyncio.run(scenario()) == ["Ada Lovelace"] * 3


def test_an_unknown_author_is_refused_with_the_known_ones() -> None:
    authors = Authors(Warehouse([f"Author {i}" for i in range(7)]).authors)
    with pytest.raises(UnknownAuthor, match=r"“Nobody”.*Author 0.*and 2 more"):
        asyncio.run(authors.resolve("Nobody"))


def test_without_documents_the_refusal_says_how_to_ingest() -> None:
    with pytest.raises(UnknownAuthor, match="llm-twin ingest"):
        asyncio.run(Authors(Warehouse([]).authors).resolve("Ada"))


def test_names_are_asked_once_in_a_while_not_with_every_question() -> None:
    warehouse, now = Warehouse(["Ada"]), [0.0]

    async def scenario() -> None:
        authors = Authors(warehouse.authors, now=lambda: now[0])
        for seconds in (0.0, 1.0, module.FRESH_SECONDS - 0.1, module.FRESH_SECONDS + 0.1):
            now[0] = seconds
            assert await authors.names() == ["Ada"]

    asyncio.run(scenario())
    assert warehouse.calls == 2


def test_an_author_who_just_arrived_is_found_at_once() -> None:
    warehouse = Warehouse(["Ada"])

    async def scenario() -> str:
        authors = Authors(warehouse.authors)
        await authors.names()
        warehouse.names = ["Ada", "Bob"]
        return await authors.resolve("Bob")

    assert asyncio.run(scenario()) == "Bob"


def test_an_outage_keeps_the_last_known_names() -> None:
    warehouse, now = Warehouse(["Ada"]), [0.0]

    async def scenario() -> list[str]:
        authors = Authors(warehouse.authors, now=lambda: now[0])
        await authors.names()
        warehouse.names, now[0] = None, 60.0
        return await authors.names()

    assert asyncio.run(scenario()) == ["Ada"]


def test_a_warehouse_that_never_answered_refuses_nobody() -> None:
    assert asyncio.run(Authors(Warehouse(None).authors).resolve("Anyone")) == "Anyone"


def test_a_hanging_warehouse_holds_a_question_up_only_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)

    async def hangs() -> list[str]:
        await asyncio.Event().wait()
        return []

    async def scenario() -> list[str]:
        return await asyncio.wait_for(Authors(hangs).names(), 5)

    assert asyncio.run(scenario()) == []
