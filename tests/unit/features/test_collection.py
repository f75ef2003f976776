"""What a Qdrant server holds after its connection broke in the middle of a publication or a rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from qdrant_client import QdrantClient

from twin.features.index.server import ServerIndex
from twin.records import Chunk, chunk_id

if TYPE_CHECKING:
    from collections.abc import Sequence

DIMENSIONS = 4
WRITES = {
    "upsert",
    "delete",
    "update_collection",
    "update_collection_aliases",
    "create_collection",
    "delete_collection",
}
Contents = dict[str, str]

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")


class Breaking:
    """A client whose connection breaks at one of the writes to come."""

    def __init__(self) -> None:
        self.client = QdrantClient(":memory:")
        self.writes_left: int | None = None

    def __getattr__(self, name: str) -> Any:
        if name in WRITES and self.writes_left is not None:
            if self.writes_left == 0:
                raise ConnectionError
            self.writes_left -= 1
        return getattr(self.client, name)


class Twin:
    """An index, and what was published to it."""

    def __init__(self) -> None:
        self.connection = Breaking()
        self.index = ServerIndex(
            lambda: cast("QdrantClient", self.connection),
            place="memory",
            alias="twin",
            dimensions=DIMENSIONS,
        )

    def publish(self, contents: Contents, schema: str = "s") -> str:
        return self.index.publish(
            contents, lambda ids: [made(key, contents[key]) for key in ids], schema=schema
        ).generation

    def breaks(self, writes: int, operation: Any) -> bool:
        """Whether an operation broke after so many writes."""
        self.connection.writes_left = writes
        try:
            operation()
        except ConnectionError:
            return True
        finally:
            self.connection.writes_left = None
        return False

    def contents(self) -> Contents:
        found = self.index.search("", np.ones(DIMENSIONS, np.float32), 100)
        return {passage.chunk_id: passage.text for passage in found}


def made(identity: str, text: str) -> tuple[Chunk, np.ndarray]:
    vector = np.random.default_rng(int(identity[:8], 16)).random(DIMENSIONS).astype(np.float32)
    chunk = Chunk(
        id=identity,
        document_id="doc",
        revision=1,
        ordinal=0,
        text=text,
        token_count=3,
        title="Title",
        url="https://a.example/",
        author="Ada",
    )
    return chunk, vector / np.linalg.norm(vector)


def contents(texts: Sequence[str | None]) -> Contents:
    return {chunk_id("doc", 1, number): text for number, text in enumerate(texts) if text is not None}


FIRST = contents(["a", "b", "c", "d", None, None])
SECOND = contents(["a", "B", None, "d", "e", None])
THIRD = contents(["A", "B", "c", None, "e", "f"])


@pytest.mark.parametrize("schema", ["s", "another"])
@pytest.mark.parametrize("writes", range(12))
def test_a_broken_publication_is_completed_by_the_next(writes: int, schema: str):
    twin = Twin()
    names = [twin.publish(FIRST), twin.publish(SECOND)]
    twin.breaks(writes, lambda: twin.publish(THIRD, schema))
    names.append(twin.publish(THIRD, schema))
    assert twin.contents() == THIRD
    assert twin.index.status().problem is None
    assert (twin.index.rollback(), twin.contents()) == (names[1], SECOND)
    assert (twin.index.rollback(), twin.contents()) == (names[0], FIRST)


@pytest.mark.parametrize("writes", range(12))
def test_a_broken_publication_is_followed_by_another_one_and_undone_whole(writes: int):
    twin = Twin()
    names = [twin.publish(FIRST)]
    if not twin.breaks(writes, lambda: twin.publish(SECOND)):
        return
    live = twin.index.generation()
    twin.publish(THIRD)
    assert twin.contents() == THIRD
    if live == names[0]:
        assert (twin.index.rollback(), twin.contents()) == (names[0], FIRST)


@pytest.mark.parametrize("writes", range(12))
def test_a_broken_rollback_is_completed_by_the_next(writes: int):
    twin = Twin()
    names = [twin.publish(FIRST), twin.publish(SECOND), twin.publish(THIRD)]
    broken = twin.breaks(writes, twin.index.rollback)
    if broken and twin.index.generation() == names[2]:
        assert twin.index.rollback() == names[1]
    assert (twin.index.generation(), twin.contents()) == (names[1], SECOND)
    assert twin.publish(THIRD) == names[1]  # held
    assert (twin.index.rollback(), twin.contents()) == (names[0], FIRST)


@pytest.mark.parametrize("writes", range(12))
def test_a_publication_after_a_broken_rollback_publishes_what_it_is_given(writes: int):
    twin = Twin()
    twin.publish(FIRST)
    before = twin.publish(SECOND)
    twin.publish(THIRD)
    twin.breaks(writes, twin.index.rollback)
    other = contents(["x", None, "y"])
    twin.publish(other)
    assert twin.contents() == other
    twin.index.rollback()
    assert twin.contents() in (SECOND, THIRD)
    assert twin.index.generation() == before or twin.contents() == THIRD


def test_nothing_is_left_behind_of_what_no_rollback_leads_to():
    twin = Twin()
    for number in range(6):
        twin.publish(contents([f"text {number}", "b"]))
    twin.publish(FIRST, "another")
    twin.publish(SECOND, "another")
    names = {collection.name for collection in twin.connection.client.get_collections().collections}
    assert len(names) == 2 + 2 + 1  # both schemas, the undos of two publications, and of one


def test_an_index_whose_name_goes_on_after_this_one_s_is_left_alone():
    twin, other = Twin(), Twin()
    other.index = ServerIndex(
        lambda: cast("QdrantClient", twin.connection), place="memory", alias="twin-staging", dimensions=DIMENSIONS
    )
    other.publish(FIRST)
    twin.publish(SECOND)
    assert (other.contents(), twin.contents()) == (FIRST, SECOND)
