"""The demo's handbook never gets into a twin that somebody made of their own documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llm_twin_dagster.demo import HANDBOOK, home_of_its_own
from twin.collection import sources
from twin.errors import InputError
from twin.settings import HomeSettings, read

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TWIN_HOME", "")  # restored afterwards, also when the demo sets it
    monkeypatch.delenv("TWIN_CONFIG", raising=False)


def test_the_demo_has_a_home_of_its_own_that_reads_the_handbook(tmp_path: Path) -> None:
    (tmp_path / "twin.yaml").write_text("authors: [{name: Ada, sources: [notes]}]")
    assert home_of_its_own().root == tmp_path / ".twin-demo"
    (source,) = sources.configured(read(HomeSettings).config)
    assert (source.location, source.author) == (str(HANDBOOK), "The LLM Twin Team")


def test_ones_own_twin_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "twin.yaml").write_text("authors: [{name: Ada, sources: [notes]}]")
    before = sources.configured(read(HomeSettings).config)
    assert [source.author for source in before] == ["Ada"]
    assert not (tmp_path / ".twin").exists()


def test_a_second_demo_takes_the_same_home(tmp_path: Path) -> None:
    first = home_of_its_own()
    (first.root / "mongo").mkdir()
    assert home_of_its_own().root == first.root


@pytest.mark.parametrize("sign", ["mongo/WiredTiger", "twin.yaml"])
def test_a_home_with_somebodys_documents_is_refused(sign: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "mine"
    (home / sign).parent.mkdir(parents=True)
    (home / sign).write_text("authors: []")
    monkeypatch.setenv("TWIN_HOME", str(home))
    with pytest.raises(InputError, match="holds a twin of yours"):
        home_of_its_own()
    assert (home / sign).read_text() == "authors: []"
