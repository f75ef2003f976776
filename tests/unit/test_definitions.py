"""The graph as Dagster sees it, held by a snapshot: a change of it is a change of this file."""

from __future__ import annotations

import dagster as dg
import pytest

from llm_twin_dagster.definitions import defs
from llm_twin_dagster.schedules import schedules
from twin.errors import SettingsError

GRAPH = {
    "raw_documents": [],
    "cleaned_documents": ["raw_documents"],
    "chunks": ["cleaned_documents"],
    "embeddings": ["chunks"],
    "vector_index": ["embeddings"],
    "instruct_dataset": ["chunks", "cleaned_documents", "vector_index"],
    "retrieval_evaluation": ["instruct_dataset", "vector_index"],
    "feedback_dataset": ["interactions"],
    "preference_dataset": ["feedback_dataset", "instruct_dataset"],
    "fine_tuned_model": ["instruct_dataset", "preference_dataset"],
    "model_evaluation": ["fine_tuned_model", "instruct_dataset", "vector_index"],
    "registered_model": ["fine_tuned_model", "model_evaluation"],
    "inference_endpoint": ["registered_model"],
    "monitoring_report": ["interactions"],
}
BLOCKING = {
    "raw_documents:has_documents",
    "cleaned_documents:no_personal_data",
    "cleaned_documents:documents_are_whole",
    "chunks:passages_fit",
    "embeddings:one_vector_a_passage",
    "vector_index:index_is_complete",
    "instruct_dataset:no_leakage",
    "instruct_dataset:both_splits_have_samples",
    "feedback_dataset:feedback_is_clean",
    "preference_dataset:pairs_are_trained_on_only",
    "preference_dataset:has_pairs_where_asked_for",
    "fine_tuned_model:model_files_are_whole",
    "model_evaluation:passes_the_gate",
    "retrieval_evaluation:no_regression",
}
WARNING = {
    "cleaned_documents:few_duplicates",
    "instruct_dataset:instructions_lead_back",
    "retrieval_evaluation:finds_the_source",
    "monitoring_report:no_drift",
}
INFORMING = {"inference_endpoint:endpoint_answers"}


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return defs()


def test_the_asset_graph_is_the_one_that_the_docs_draw(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    found = {
        key.to_user_string(): sorted(parent.to_user_string() for parent in graph.get(key).parent_keys)
        for key in graph.materializable_asset_keys
    }
    assert found == GRAPH


def test_every_asset_says_what_it_is_whose_it_is_and_what_it_is_made_with(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert spec.description, spec.key
        assert spec.owners, spec.key
        assert spec.group_name != "default", spec.key
        assert spec.kinds, spec.key
        assert spec.code_version, spec.key


def test_what_is_published_stands_behind_blocking_checks(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    checks = {
        f"{key.asset_key.to_user_string()}:{key.name}": graph.get_check_spec(key).blocking
        for key in graph.asset_check_keys
    }
    assert {name for name, blocking in checks.items() if blocking} == BLOCKING
    assert {name for name, blocking in checks.items() if not blocking} == WARNING | INFORMING


def test_the_jobs_cover_what_their_names_say(definitions: dg.Definitions) -> None:
    def selected(job: str) -> set[str]:
        keys = definitions.resolve_job_def(job).asset_layer.executable_asset_keys
        return {key.to_user_string() for key in keys}

    assert selected("everything") == set(GRAPH)
    assert selected("ingest") == {"raw_documents", "cleaned_documents", "chunks", "embeddings", "vector_index"}
    assert selected("deploy") == {"inference_endpoint"}
    assert selected("monitor") == {"monitoring_report"}
    assert selected("train") == set(GRAPH) - selected("ingest") - selected("deploy") - selected("monitor")


def test_the_products_that_go_stale_have_freshness_policies(definitions: dg.Definitions) -> None:
    fresh = {spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs() if spec.freshness_policy}
    ingested = {"raw_documents", "cleaned_documents", "chunks", "embeddings", "vector_index"}
    assert fresh == ingested | {"fine_tuned_model"}


def test_jobs_run_by_the_clock_where_the_settings_name_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [one.job_name for one in schedules()] == ["monitor"]
    monkeypatch.setenv("SCHEDULE_TRAIN", "0 4 * * 1")
    monkeypatch.setenv("SCHEDULE_TIMEZONE", "Europe/Berlin")
    weekly, hourly = schedules()
    assert hourly.cron_schedule == "0 * * * *"
    assert (weekly.job_name, weekly.cron_schedule, weekly.execution_timezone) == ("train", "0 4 * * 1", "Europe/Berlin")
    for name, value in (("SCHEDULE_TRAIN", "every monday"), ("SCHEDULE_TIMEZONE", "Mars/Olympus")):
        monkeypatch.setenv(name, value)
        with pytest.raises(SettingsError, match="SCHEDULE_TRAIN"):
            schedules()
        monkeypatch.setenv("SCHEDULE_TRAIN", "0 4 * * 1")


def test_every_sensor_runs_by_itself_and_launches_a_job_that_there_is(definitions: dg.Definitions) -> None:
    found = {}
    for sensor in definitions.sensors or ():
        assert isinstance(sensor, dg.SensorDefinition)
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
        found[sensor.name] = sensor.job_name if sensor.has_jobs or sensor.targets else None
    alerts = dict.fromkeys(("alerts_of_failures", "alerts_of_successes", "alerts_of_state"))
    launching = {"approved_model": "deploy", "watched_sources": "ingest", "model_freshness": "train", "drift": "train"}
    assert found == launching | {"housekeeping": None} | alerts
