"""The loop on Dagster's own programs: jobs started from outside, and a training that the daemon launches once."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import httpx
import msgspec
import pytest
from typer.testing import CliRunner

from llm_twin_dagster import dagster_home
from llm_twin_dagster.cli import app
from llm_twin_dagster.stack import Stack
from twin import datasets
from twin.datasets import InstructDataset, offered
from twin.deployment import Deployment, addresses
from twin.errors import InputError, NotAuthorized, UnknownName
from twin.home import Home
from twin.processes import wait_until
from twin.records import Chunk
from twin.training import catalog
from twin.triggers import Arguments, Triggers

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    import dagster as dg

    from twin.artifacts import ArtifactStore
    from twin.triggers import Started


@contextlib.contextmanager
def own(root: Path) -> Generator[Home]:
    """A home whose stack has ports of its own, and no sources."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TWIN_PORT", "CONSOLE_PORT", "DAGSTER_PORT"):
            patch.setenv(name, "0")
        for name in ("MONGODB_URI", "OPIK_URL_OVERRIDE", "COMET_URL_OVERRIDE", "COMET_API_KEY"):
            patch.delenv(name, raising=False)
        patch.setenv("TWIN_HOME", str(root))
        patch.setenv("TWIN_CONFIG", str(root / "none.yaml"))
        patch.setenv("COLUMNS", "200")
        yield Home(root)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with (
        own(tmp_path_factory.mktemp("home")) as place,
        Stack(place, ["mongod", "console", "dagster"], lambda *_: None) as stack,
    ):
        yield stack


def test_one_screen_and_one_page_tell_how_the_loop_is(stack: Stack) -> None:
    screen = CliRunner().invoke(app, ["status"]).stdout
    told = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)
    page = httpx.get(stack.urls["console"], headers={"accept": "text/html"}, timeout=30).text
    for said in ("model_freshness has not looked yet", "awaits a person", "serves"):
        assert said in screen
    assert {service["name"] for service in told["services"]} == {"mongod", "console", "dagster"}
    ages = {asset["name"]: asset["freshness"] for asset in told["loop"]["assets"]}
    assert ages.keys() >= {"raw_documents", "vector_index", "fine_tuned_model"}
    assert (told["loop"]["problem"], told["loop"]["awaiting"], told["loop"]["running"]) == ("", [], [])
    for said in ("model_freshness has not looked yet", "fine_tuned_model", "No run is going on", "Awaits a person"):
        assert said in page


def test_a_job_is_started_from_outside_once_for_each_key(stack: Stack) -> None:
    place = stack.home
    triggers = Triggers(lambda: addresses.dagster(place), place.trigger_key)
    triggers.check(f"Bearer {place.trigger_key()}")
    with pytest.raises(NotAuthorized, match="trigger-key"):
        triggers.check("Bearer other")

    async def ask() -> list[Started]:
        feed = Arguments(location="https://ada.example/feed", author="Ada")
        first, again = await asyncio.gather(*(triggers.start("ingest", feed, "once") for _ in range(2)))
        other = await triggers.start("train", Arguments(force=True), "")
        with pytest.raises(InputError, match="started ingest before"):
            await triggers.start("train", Arguments(), "once")
        with pytest.raises(UnknownName, match="no run"):
            await triggers.tell("0" * 8)
        return [first, again, other, await triggers.tell(first.run)]

    first, again, other, told = asyncio.run(ask())
    assert (first.run, first.job, first.status) == (again.run, "ingest", "QUEUED")
    assert (other.run != first.run, other.job) == (True, "train")
    assert (told.run, told.status, told.link) == (first.run, "QUEUED", addresses.run_page(place, first.run))
    with dagster_home.open_instance(place) as instance:
        run = instance.get_run_by_id(first.run)
        assert run is not None
        config = {"locations": ["https://ada.example/feed"], "author": "Ada"}
        assert run.run_config == {"ops": {"raw_documents": {"config": config}}}
        assert len(instance.get_runs()) == 2


@pytest.mark.parametrize(
    ("job", "arguments", "said"),
    [
        ("ingest", Arguments(location="/etc/passwd"), "web address"),
        ("ingest", Arguments(author="Ada"), "goes with"),
        ("ingest", Arguments(force=True), "no `force`"),
        ("deploy", Arguments(force=True), "no `force`"),
        ("train", Arguments(location="https://ada.example"), "no `location`"),
        ("__ASSET_JOB", Arguments(), "There are: ingest"),
    ],
)
def test_what_a_job_does_not_take_is_refused_before_anybody_is_asked(job: str, arguments: Arguments, said: str) -> None:
    with pytest.raises(InputError, match=said):
        asyncio.run(Triggers(lambda: None, lambda: "key").start(job, arguments, ""))


def new_material(store: ArtifactStore) -> None:
    """A model that has seen nothing, and passages."""
    rows = {
        name: [
            Chunk(
                id=f"{name}/1", document_id=name, revision=1, ordinal=0, title=name, url=f"/{name}", author="Ada",
                text=f"Of {name} I noted that remark {name} holds well. " * 6, token_count=80,
            )
        ]
        for name in (f"loaf{number}" for number in range(6))
    }  # fmt: skip
    datasets.publish(
        store, InstructDataset(train=[], test=[], rejected={}, test_documents=frozenset(), writer="nobody")
    )
    offered.note(store, "first", {})
    store.write(f"folders/{catalog.folder_of('a')}/manifest.json", msgspec.json.encode({"dataset_version": "first"}))
    store.write(catalog.CURRENT, b"a")
    store.dataset("chunks", Chunk).sync(
        dict.fromkeys(rows, "1"), lambda wanted: [(name, rows[name]) for name in wanted]
    )


@pytest.mark.soak
def test_the_daemon_launches_one_training_for_new_material_and_never_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRAIN_AT_SAMPLES", "2")
    with (
        own(tmp_path / "home") as place,
        Stack(place, ["mongod", "dagster", "daemon"], lambda *_: None),
        dagster_home.open_instance(place) as instance,
    ):

        def launched() -> list[dg.DagsterRun]:
            return [run for run in instance.get_runs() if run.job_name == "train"]

        def ticks() -> list[str]:
            states = [state for state in instance.all_instigator_state() if state.name == "model_freshness"]
            found = [
                tick for each in states for tick in instance.get_ticks(each.instigator_origin_id, each.selector_id)
            ]
            return [tick.skip_reason or "launched" for tick in found]

        wait_until(lambda: any("no model yet" in said for said in ticks()), what="a tick that says why not", timeout=90)
        assert launched() == []
        new_material(Deployment(place).artifacts)
        wait_until(lambda: len(launched()) == 1, what="the training", timeout=60)
        assert "RETRAIN_AT_SAMPLES is 2" in launched()[0].tags["launched_because"]
        before = len(ticks())
        wait_until(lambda: len(ticks()) >= before + 2, what="two more ticks", timeout=120)
        assert len(launched()) == 1, ticks()
