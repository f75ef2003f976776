"""The whole path on a small real corpus: documents in, a reviewed, deployed model, a cited answer out; again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest

from llm_twin_dagster.runs import RunOutcome, run_job
from llm_twin_dagster.stack import Stack
from twin.deployment import Deployment
from twin.home import Home
from twin.processes import answers, wait_until
from twin.registry.blind import is_possible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.registry.blind import Choice

CORPUS = Path(__file__).parent.parent / "corpus"
SERVICES = ["mongod", "console", "endpoint", "twin"]
SETTINGS = {
    "TRAINING_MAX_SAMPLES": "16",
    "TRAINING_WRITTEN_SAMPLES": "2",
    "TRAINING_MAX_STEPS": "6",
    "TRAINING_MAX_LENGTH": "384",
    "EVALUATION_MAX_SAMPLES": "3",
    "EVALUATION_GATE_MARGIN": "0",
    "RAG_MAX_ANSWER_TOKENS": "40",
    "TWIN_PORT": "0",
    "CONSOLE_PORT": "0",
}
ASSETS = {
    "raw_documents",
    "cleaned_documents",
    "chunks",
    "embeddings",
    "vector_index",
    "instruct_dataset",
    "feedback_dataset",
    "preference_dataset",
    "retrieval_evaluation",
    "fine_tuned_model",
    "model_evaluation",
    "registered_model",
    "inference_endpoint",
    "monitoring_report",
}
pytestmark = pytest.mark.timeout(900)


class Walk(NamedTuple):
    """Everything that happened, for the tests to look at."""

    home: Home
    urls: dict[str, str]
    first: RunOutcome
    before_review: str
    deployed: RunOutcome
    again: RunOutcome


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """Materialises everything, approves, deploys, and materialises everything again."""
    root = tmp_path_factory.mktemp("end-to-end")
    patch = pytest.MonkeyPatch()
    for name in ("MONGODB_URI", "OPIK_URL_OVERRIDE", "COMET_URL_OVERRIDE", "COMET_API_KEY", "QDRANT_URL"):
        patch.delenv(name, raising=False)
    config = root / "twin.yaml"
    config.write_text(f"authors:\n  - name: The LLM Twin Team\n    sources: ['{CORPUS}']\n")
    for name, value in {**SETTINGS, "TWIN_HOME": str(root / "home"), "TWIN_CONFIG": str(config)}.items():
        patch.setenv(name, value)
    home = Home.from_settings()
    from llm_twin_dagster import services

    with Stack(home, SERVICES, lambda *_: None) as stack:
        for name, value in services.environment(home).items():
            patch.setenv(name, value)
        first = run_job(home, "everything")
        before_review = Deployment(home).endpoint.status().state
        deployment = Deployment(home)
        for version in deployment.registry.versions("llm-twin"):
            reviews = deployment.review_client()
            if is_possible(version.manifest):
                pairs = reviews.ballot("llm-twin", version.version, reviewer="ada")["pairs"]
                ties: dict[int, Choice] = {pair["number"]: "tie" for pair in pairs}
                reviews.choose("llm-twin", version.version, ties, reviewer="ada")
            reviews.approve("llm-twin", version.version, "Read and liked.", reviewer="ada")
        deployed = run_job(home, "deploy")
        again = run_job(home, "everything")
        yield Walk(home, dict(stack.urls), first, before_review, deployed, again)
    patch.undo()


def test_materialise_all_makes_every_asset_but_deploys_nothing_that_nobody_approved(walked: Walk) -> None:
    assert walked.first.success, (walked.first.error, walked.first.failed_checks)
    assert set(walked.first.assets) == ASSETS
    made = {name for name, asset in walked.first.assets.items() if asset.status == "made"}
    assert made == ASSETS - {"inference_endpoint"}
    assert walked.before_review == "Absent"
    assert not walked.first.failed_checks


def test_the_tuned_model_beats_its_base_on_held_out_text(walked: Walk) -> None:
    scores = walked.first.assets["model_evaluation"].metadata
    assert scores["perplexity_tuned"] < scores["perplexity_base"]
    assert walked.first.assets["fine_tuned_model"].metadata["loss_end"] < 10


def test_the_version_that_a_person_approved_is_deployed_and_says_who_it_is(walked: Walk) -> None:
    assert walked.deployed.success, (walked.deployed.error, walked.deployed.failed_checks)
    status = Deployment(walked.home).endpoint.status()
    approved = Deployment(walked.home).registry.approved("llm-twin")
    assert approved is not None
    assert (status.state, status.version) == ("InService", approved.version)
    assert approved.manifest["scores"]["perplexity_tuned"] > 0


def test_a_question_is_answered_from_the_documents_traced_and_kept(walked: Walk) -> None:
    twin = walked.urls["twin"]
    wait_until(lambda: answers(f"{twin}/health/ready"), what="The twin", timeout=60)
    answer = httpx.post(f"{twin}/rag", json={"query": "Why do we chunk along headings?"}, timeout=120).json()

    assert answer["answer"].strip()
    assert answer["sources"], answer
    corpus = {f"https://example.com/handbook/{path.stem}" for path in CORPUS.glob("*.md")}  # so their front matter says
    assert {source["url"] for source in answer["sources"]} <= corpus
    assert answer["usage"]["completion_tokens"] > 0

    trace = f"{walked.urls['console']}/api/traces/{answer['trace_id']}"
    wait_until(lambda: answers(trace), what="The trace's arrival", timeout=30)
    names = [span["name"] for span in httpx.get(trace).json()["spans"]]
    assert {"retrieval", "prompt", "generation"} <= set(names)

    kept = {interaction.id: interaction for interaction in Deployment(walked.home).warehouse.interactions.read()}
    assert kept[answer["id"]].answer == answer["answer"]
    assert kept[answer["id"]].model_version


def test_doing_everything_again_makes_no_new_data_version_and_trains_nothing(walked: Walk) -> None:
    assert walked.again.success, (walked.again.error, walked.again.failed_checks)
    versions = {name: asset.data_version for name, asset in walked.first.assets.items() if asset.data_version}
    again = {name: asset.data_version for name, asset in walked.again.assets.items() if asset.data_version}
    assert again == versions
    assert walked.again.assets["fine_tuned_model"].metadata["reused"] is True
    statuses = {name: asset.status for name, asset in walked.again.assets.items()}
    assert statuses == {**dict.fromkeys(ASSETS, "unchanged"), "inference_endpoint": "nothing to do"}
    assert sum(asset.seconds for asset in walked.again.assets.values()) < 30
