"""Every workflow: actions pinned, least permissions, no stored keys, and only make targets that a person runs too."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from tests.unit.deploy.workflows import PROJECT, WORKFLOWS, steps, workflow

PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$|uses: \./\.github/workflows/[\w.-]+$")
RUN = re.compile(r"make ([a-z-]+)( [A-Z_]+=[\w./-]+)*")
WRITES = {
    ("release.yaml", "publish"): {"contents", "id-token", "attestations"},
}
"""The jobs that may write, and what; every other may read the code."""
SECRETS = {"TWIN_TRIGGER_KEY"}
"""What GitHub keeps for the workflows: none of it opens a cloud."""
every_workflow = pytest.mark.parametrize("name", WORKFLOWS)


def targets() -> set[str]:
    makefiles = (PROJECT / "Makefile").read_text("utf-8") + (PROJECT / "deploy" / "targets.mk").read_text("utf-8")
    return set(re.findall(r"^([a-z-]+):", makefiles, re.MULTILINE))


def writes(permissions: dict[str, str]) -> set[str]:
    return {name for name, level in permissions.items() if level != "read"}


@every_workflow
def test_actions_are_pinned_to_a_commit_and_say_their_version(name: str) -> None:
    lines = [line.strip().removeprefix("- ") for line in WORKFLOWS[name].read_text("utf-8").splitlines()]
    uses = [line for line in lines if line.startswith("uses:")]
    assert [line for line in uses if not PINNED.search(line)] == []
    assert uses


@every_workflow
def test_a_workflow_may_do_nothing_and_each_job_only_what_it_must(name: str) -> None:
    content = workflow(name)
    assert content["permissions"] == {}
    for job, declared in content["jobs"].items():
        assert "permissions" in declared, job
        assert writes(declared["permissions"]) == WRITES.get((name, job), set()), job


@every_workflow
def test_each_step_is_a_make_target_that_exists(name: str) -> None:
    for job, step in steps(name):
        if "run" in step:
            found = RUN.fullmatch(step["run"])
            assert found, f"{job}: {step['run']}"
            assert found[1] in targets(), f"{job}: {step['run']}"


@every_workflow
def test_jobs_end_by_themselves_and_runs_of_one_kind_follow_each_other(name: str) -> None:
    content = workflow(name)
    assert "group" in content["concurrency"]
    assert [job for job, c in content["jobs"].items() if "timeout-minutes" not in c and "uses" not in c] == []


@every_workflow
def test_a_checkout_leaves_no_token_behind(name: str) -> None:
    checkouts = [step for _, step in steps(name) if step.get("uses", "").startswith("actions/checkout@")]
    assert [step for step in checkouts if step["with"]["persist-credentials"] is not False] == []


@every_workflow
def test_no_cloud_key_is_stored(name: str) -> None:
    assert set(re.findall(r"secrets\.(\w+)", WORKFLOWS[name].read_text("utf-8"))) <= SECRETS


def test_tests_wait_for_qa_and_a_newer_push_ends_an_older_run() -> None:
    ci = workflow("ci.yaml")
    assert ci["on"]["pull_request"]["branches"] == ["staging", "main"]
    assert "pull_request" in ci["concurrency"]["cancel-in-progress"]
    assert [job for job, content in ci["jobs"].items() if job != "qa" and not waits_for(job, "qa", ci["jobs"])] == []
    assert content_of(ci["jobs"]["qa"]) >= {"lint", "lint-deploy", "check-lock", "check-secrets"}


def waits_for(job: str, other: str, jobs: dict[str, Any]) -> bool:
    needs = jobs[job].get("needs", [])
    named = [needs] if isinstance(needs, str) else needs
    return other in named or any(waits_for(name, other, jobs) for name in named)


def content_of(job: dict[str, Any]) -> set[str]:
    return {step["run"].split()[1] for step in job["steps"] if "run" in step}


def test_every_target_is_explained_by_make_help() -> None:
    told = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    named = set(re.findall(r"^  make ([a-z-]+)", told.stdout, re.MULTILINE))
    assert {
        target for name in WORKFLOWS for _, step in steps(name) if "run" in step for target in [step["run"].split()[1]]
    } <= named
