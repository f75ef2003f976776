"""The artifact store keeps datasets in step with their inputs, and never shows a half-written one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin.artifacts import ArtifactStore
from twin.artifacts.parquet import from_table, to_table
from twin.errors import ArtifactError
from twin.records import Chunk, EmbeddedChunk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Row(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    document_id: str
    text: str


class Upstream:
    """Documents that a test edits; it counts what is derived from them."""

    def __init__(self, documents: dict[str, str]) -> None:
        self.documents = documents
        self.derived: list[str] = []
        self.fails_at: str | None = None

    def derive(self, ids: Sequence[str]):
        for key in ids:
            if key == self.fails_at:
                raise RuntimeError("the power went out")
            self.derived.append(key)
            words = self.documents[key].split()
            yield key, [Row(id=f"{key}/{n}", document_id=key, text=word) for n, word in enumerate(words)]


def texts(dataset) -> list[tuple[str, str]]:
    return sorted((row.document_id, row.text) for row in dataset.rows())


def expected(documents: dict[str, str]) -> list[tuple[str, str]]:
    return sorted((key, word) for key, text in documents.items() for word in text.split())


def test_only_what_changed_is_derived_again(tmp_path: Path) -> None:
    upstream = Upstream({f"d{n}": f"one two {n}" for n in range(40)})
    dataset = ArtifactStore(str(tmp_path)).dataset("rows", Row)
    first = dataset.sync(upstream.documents, upstream.derive)
    assert (first.added, first.rows) == (40, 120)

    upstream.derived.clear()
    upstream.documents["d3"] = "changed"
    del upstream.documents["d4"]
    upstream.documents["new"] = "fresh text"
    second = dataset.sync(upstream.documents, upstream.derive)

    assert sorted(upstream.derived) == ["d3", "new"]
    assert (second.added, second.changed, second.removed, second.unchanged) == (1, 1, 1, 38)
    assert second.data_version != first.data_version
    assert texts(dataset) == expected(upstream.documents)


def test_an_unchanged_sync_writes_nothing_and_keeps_its_version(tmp_path: Path) -> None:
    upstream = Upstream({"a": "x y", "b": "z"})
    dataset = ArtifactStore(str(tmp_path)).dataset("rows", Row)
    first = dataset.sync(upstream.documents, upstream.derive)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}

    second = dataset.sync(upstream.documents, upstream.derive)

    assert second.is_noop
    assert second.data_version == first.data_version == dataset.data_version
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}


def test_an_interrupted_sync_shows_the_old_dataset_and_goes_on_where_it_was(tmp_path: Path) -> None:
    upstream = Upstream({f"d{n}": f"old {n}" for n in range(40)})
    dataset = ArtifactStore(str(tmp_path)).dataset("rows", Row)
    dataset.sync(upstream.documents, upstream.derive)
    before = dict(upstream.documents)
    upstream.documents = {key: text.replace("old", "new") for key, text in before.items()}

    upstream.derived.clear()
    upstream.fails_at = "d7"
    with pytest.raises(RuntimeError, match="power"):
        dataset.sync(upstream.documents, upstream.derive)
    assert texts(dataset) == expected(before)
    done_before_the_failure = len(upstream.derived)

    upstream.derived.clear()
    upstream.fails_at = None
    report = dataset.sync(upstream.documents, upstream.derive)
    assert texts(dataset) == expected(upstream.documents)
    assert report.changed == 40
    assert len(upstream.derived) < 40, "shards that were finished before the failure are not derived again"
    assert done_before_the_failure > 0


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.text("xyz ", max_size=8)), max_size=4))
def test_after_any_edits_the_dataset_equals_what_its_inputs_give(tmp_path_factory, steps) -> None:
    dataset = ArtifactStore(str(tmp_path_factory.mktemp("store"))).dataset("rows", Row)
    for documents in steps:
        report = dataset.sync(documents, Upstream(documents).derive)
        assert texts(dataset) == expected(documents)
        assert report.rows == dataset.count()
        assert dataset.fingerprints() == documents


def test_a_chunk_survives_the_way_through_parquet() -> None:
    chunk = Chunk(
        id="c", document_id="d", revision=2, ordinal=0, text="naïve 🙂\ntext", heading_path=["A", "B"], token_count=9,
        title="T", url="https://example.com", author="Ada", published_at=datetime(2026, 1, 2, tzinfo=UTC),
    )  # fmt: skip
    bare = Chunk(
        id="e", document_id="d", revision=1, ordinal=1, text="", token_count=0, title="", url="", author=""
    )  # fmt: skip
    assert from_table(to_table([chunk, bare], Chunk), Chunk) == [chunk, bare]


def test_shards_hold_whole_documents_and_together_every_row(tmp_path: Path) -> None:
    upstream = Upstream({f"d{n}": f"text {n}" for n in range(40)})
    dataset = ArtifactStore(str(tmp_path)).dataset("rows", Row)
    dataset.sync(upstream.documents, upstream.derive)
    shards = list(dataset.shards())
    assert [row for shard in shards for row in shard] == list(dataset.rows())
    documents = [{row.document_id for row in shard} for shard in shards]
    assert sum(map(len, documents)) == len(set().union(*documents)) == 40
    assert {row.document_id for shard in dataset.shards({"d3", "d9"}) for row in shard} == {"d3", "d9"}


def test_rows_of_a_layout_that_cannot_be_read_any_more_are_derived_anew(tmp_path: Path) -> None:
    class Before(msgspec.Struct, frozen=True, kw_only=True):
        document_id: str
        text: list[float]

    store = ArtifactStore(str(tmp_path))
    store.dataset("rows", Before).sync(
        {"a": "1"}, lambda ids: [(key, [Before(document_id=key, text=[1.0])]) for key in ids]
    )
    dataset, upstream = store.dataset("rows", Row), Upstream({"a": "x y"})
    assert list(dataset.rows()) == []
    assert dataset.sync(upstream.documents, upstream.derive).added == 1
    assert texts(dataset) == expected(upstream.documents)


def test_a_field_with_a_default_may_join_a_record_without_deriving_its_rows_anew(tmp_path: Path) -> None:
    class Before(msgspec.Struct, frozen=True, kw_only=True):
        document_id: str

    class After(msgspec.Struct, frozen=True, kw_only=True):
        document_id: str
        language: str | None = None

    store = ArtifactStore(str(tmp_path))
    store.dataset("rows", Before).sync({"a": "1"}, lambda ids: [(key, [Before(document_id=key)]) for key in ids])
    assert list(store.dataset("rows", After).rows()) == [After(document_id="a")]


def test_vectors_survive_the_way_through_parquet() -> None:
    vector = np.array([0.6, -0.8, 1e-9], dtype="<f4")
    row = EmbeddedChunk(chunk_id="c", document_id="d", text_hash="h", vector=vector.tobytes())
    (read,) = from_table(to_table([row], EmbeddedChunk), EmbeddedChunk)
    assert np.array_equal(read.array, vector)


def test_a_stored_folder_comes_back_verified(tmp_path: Path) -> None:
    source = tmp_path / "model"
    (source / "sub").mkdir(parents=True)
    (source / "weights.bin").write_bytes(b"\x00" * 100)
    (source / "sub" / "config.json").write_text("{}")
    store = ArtifactStore(str(tmp_path / "store"))

    manifest = store.put_folder("models/one", source)

    assert sorted(manifest.files) == ["sub/config.json", "weights.bin"]
    folder = store.get_folder("models/one")
    assert (folder / "weights.bin").read_bytes() == b"\x00" * 100
    (folder / "weights.bin").write_bytes(b"\x01" * 100)
    with pytest.raises(ArtifactError, match=r"weights\.bin is missing or not what was stored"):
        store.get_folder("models/one")


def test_a_folder_whose_replacement_was_cut_short_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, store = tmp_path / "model", ArtifactStore(str(tmp_path / "store"))
    source.mkdir()
    (source / "a.bin").write_bytes(b"1")
    (source / "b.bin").write_bytes(b"1")
    store.put_folder("m", source)
    (source / "a.bin").write_bytes(b"2")
    (source / "b.bin").write_bytes(b"2")

    put_file = store._put_file

    def full_disk(path: Path, target: str) -> None:
        if path.name == "b.bin":
            raise OSError("No space left on device")
        put_file(path, target)

    monkeypatch.setattr(store, "_put_file", full_disk)
    with pytest.raises(OSError, match="No space"):
        store.put_folder("m", source)
    assert not store.exists("m")
    monkeypatch.undo()
    store.put_folder("m", source)
    assert (store.get_folder("m") / "b.bin").read_bytes() == b"2"


def test_a_folder_that_was_not_stored_whole_is_not_there(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    (tmp_path / "folders" / "half").mkdir(parents=True)
    (tmp_path / "folders" / "half" / "weights.bin").write_bytes(b"1")
    assert not store.exists("half")
    with pytest.raises(ArtifactError, match="no folder 'half'"):
        store.get_folder("half")


def test_a_remote_store_works_the_same_through_fsspec(tmp_path: Path) -> None:
    store = ArtifactStore("memory://twin-artifacts-test", cache=tmp_path / "cache")
    upstream = Upstream({"a": "x y", "b": "z"})
    store.dataset("rows", Row).sync(upstream.documents, upstream.derive)
    assert texts(store.dataset("rows", Row)) == expected(upstream.documents)

    source = tmp_path / "model"
    source.mkdir()
    (source / "weights.bin").write_bytes(b"42")
    store.put_folder("m", source)
    assert (store.get_folder("m") / "weights.bin").read_bytes() == b"42"
    store.delete_folder("m")
    assert not store.exists("m")


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    counts: dict[str, int]
    maybe: dict[str, int] | None = None


@pytest.mark.parametrize("counts", [{}, {"a": 1, "b": 2}])
def test_mappings_survive_the_way_through_parquet(counts: dict[str, int]) -> None:
    rows = [Counted(counts=counts), Counted(counts={"c": 3}, maybe=counts)]
    assert from_table(to_table(rows, Counted), Counted) == rows


def remote_with_a_model(tmp_path: Path) -> ArtifactStore:
    """Not in fsspec's memory: readers of a file there share one position, so that several at once read it wrong."""
    (tmp_path / "remote" / "folders" / "m").mkdir(parents=True)
    store, model = ArtifactStore(f"local://{tmp_path}/remote", cache=tmp_path / "cache"), tmp_path / "model"
    model.mkdir()
    (model / "weights.bin").write_bytes(b"0123456789" * 100_000)
    store.put_folder("m", model)
    return store


def test_a_cached_file_that_is_damaged_is_fetched_again(tmp_path: Path) -> None:
    store = remote_with_a_model(tmp_path)
    weights = store.get_folder("m") / "weights.bin"
    weights.write_bytes(b"012")
    assert store.get_folder("m") / "weights.bin" == weights
    assert weights.read_bytes() == b"0123456789" * 100_000


def test_a_stored_file_that_is_damaged_is_named_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    store = remote_with_a_model(tmp_path)
    store.write("folders/m/weights.bin", b"012")
    with pytest.raises(ArtifactError, match=r"folders/m/weights\.bin is not what was stored"):
        store.get_folder("m")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_several_who_fetch_a_folder_at_once_all_get_it_whole(tmp_path: Path) -> None:
    store = remote_with_a_model(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: store.get_folder("m"), range(16)))
    assert {(folder / "weights.bin").read_bytes() for folder in folders} == {b"0123456789" * 100_000}
    assert [path.name for path in folders[0].iterdir()] == ["weights.bin"]


@pytest.mark.parametrize("url", ["{tmp}/store", "memory://{name}"])
def test_a_folder_that_is_stored_again_has_no_file_of_before(tmp_path: Path, url: str) -> None:
    store = ArtifactStore(url.format(tmp=tmp_path, name=tmp_path.name), cache=tmp_path / "cache")
    model = tmp_path / "model"
    (model / "part").mkdir(parents=True)
    for name in ("a.bin", "part/b.bin"):
        (model / name).write_bytes(b"1")
    store.put_folder("m", model)
    (model / "part" / "b.bin").unlink()
    store.put_folder("m", model)
    found = store.get_folder("m")
    assert sorted(path.name for path in found.rglob("*.bin")) == ["a.bin"]
    assert store.names("folders/m/part") == []
    store.delete_folder("m")
    assert not store.exists("m")
    assert not found.exists()
