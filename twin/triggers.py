"""Starting jobs from outside: through the GraphQL of Dagster's web server, so that nobody here loads Dagster.

Who may: whoever has the key. What: the jobs of an allow-list, with the few arguments that each of them takes. A request
that is repeated with its idempotency key finds the run that the first one started.
"""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING, Any

import msgspec

from twin.dagster_client import LOCATION, REPOSITORY, ask
from twin.errors import InputError, NotAuthorized, ServiceUnavailable, UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["JOBS", "Arguments", "Started", "Triggers"]

JOBS = ("ingest", "train", "deploy", "everything")
ONCE = "llm_twin/idempotency_key"
"""The tag by which a repeated request finds its run."""
SOURCE = {"llm_twin/started_by": "trigger"}
ENDED_BADLY = {
    "FAILURE": "A step or a blocking check failed; the run's page has its log.",
    "CANCELED": "A person canceled it, or it waited too long in the queue.",
}

LAUNCH = """mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId status jobName } }
    ... on PythonError { message }
    ... on PipelineNotFoundError { message }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on UnauthorizedError { message }
  }
}"""
FIND = """query($filter: RunsFilter!) {
  runsOrError(filter: $filter, limit: 1) {
    __typename
    ... on Runs { results { runId status jobName } }
  }
}"""
TELL = """query($run: ID!) {
  runOrError(runId: $run) {
    __typename
    ... on Run {
      runId status jobName startTime endTime
      stats { ... on RunStatsSnapshot { stepsSucceeded stepsFailed materializations } }
    }
  }
}"""


class Arguments(msgspec.Struct, frozen=True, kw_only=True):
    """What a job may be given."""

    location: str | None = None
    """A web address to ingest, beside what the twin knows already: only this one is looked at."""
    author: str | None = None
    """Whose documents these are, where they do not say so."""
    force: bool = False
    """Train again although nothing has changed."""

    def run_config(self, job: str) -> dict[str, Any]:
        """The run's configuration.

        Raises:
            InputError: The job does not take one of them.
        """
        ingests, trains = job in ("ingest", "everything"), job in ("train", "everything")
        if (self.location or self.author) and not ingests:
            raise InputError(f"The job {job} takes no `location` and no `author`; ingest does.")
        if self.author and not self.location:
            raise InputError("An `author` goes with a `location`.")
        if self.location and not self.location.startswith(("https://", "http://")):
            raise InputError("A `location` is a web address; folders are named in twin.yaml or by `llm-twin ingest`.")
        if self.force and not trains:
            raise InputError(f"The job {job} takes no `force`; train does.")
        ops: dict[str, Any] = {}
        if self.location:
            ops["raw_documents"] = {"config": {"locations": [self.location], "author": self.author}}
        if self.force:
            ops["fine_tuned_model"] = {"config": {"force": True}}
        return {"ops": ops} if ops else {}


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it is now."""

    run: str
    job: str
    status: str
    """Dagster's: QUEUED, STARTED, SUCCESS, FAILURE, CANCELED and those between."""
    link: str
    """Its page in the Dagster UI."""
    message: str = ""
    """Why it ended badly, where it did."""
    figures: dict[str, float] = {}


class Triggers:
    """Starts jobs and tells what became of them."""

    def __init__(self, dagster: Callable[[], str | None], key: Callable[[], str]) -> None:
        self._dagster = dagster
        self._key = key
        self._launching = asyncio.Lock()

    def check(self, authorization: str) -> None:
        """Returns when the header carries the key.

        Raises:
            NotAuthorized: It does not.
        """
        scheme, _, given = authorization.partition(" ")
        right = scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._key().encode())
        if not right:
            raise NotAuthorized(
                "Starting jobs needs the key, as `Authorization: Bearer KEY`. It is TWIN_TRIGGER_KEY, or else in "
                "TWIN_HOME/trigger-key."
            )

    async def start(self, job: str, arguments: Arguments, once: str) -> Started:
        """Launches a job, or gives the run that the same idempotency key started before.

        Raises:
            UnknownName: The job is not on the list.
            InputError: The arguments do not fit, or the key started another job.
            ServiceUnavailable: Dagster's web server does not answer, or cannot launch it.
        """
        if job not in JOBS:
            raise UnknownName(f"There is no job {job!r} to start. There are: {', '.join(JOBS)}.")
        config = arguments.run_config(job)
        async with self._launching:  # two requests with one key do not both find nothing
            known = await self._find(once) if once else None
            if known is None:
                return await self._launch(job, config, once)
        if known.job != job:
            raise InputError(f"The idempotency key started {known.job} before, in run {known.run}. Use another.")
        return known

    async def tell(self, run: str) -> Started:
        """What became of a run.

        Raises:
            UnknownName: There is none of that id.
            ServiceUnavailable: Dagster's web server does not answer.
        """
        found = (await self._ask(TELL, {"run": run}))["runOrError"]
        if found["__typename"] != "Run":
            raise UnknownName(f"There is no run {run!r}; the history keeps runs for HISTORY_DAYS.")
        stats, figures = found.get("stats") or {}, {}
        if found["endTime"] and found["startTime"]:
            figures = {"seconds": round(found["endTime"] - found["startTime"], 1)}
        names = {"stepsSucceeded": "steps succeeded", "stepsFailed": "steps failed", "materializations": "assets made"}
        figures |= {label: stats[name] for name, label in names.items() if name in stats}
        return self._started(found, ENDED_BADLY.get(found["status"], ""), figures)

    async def _find(self, once: str) -> Started | None:
        found = (await self._ask(FIND, {"filter": {"tags": [{"key": ONCE, "value": once}]}}))["runsOrError"]
        return next((self._started(run) for run in found.get("results", ())), None)

    async def _launch(self, job: str, config: dict[str, Any], once: str) -> Started:
        tags = SOURCE | ({ONCE: once} if once else {})
        params = {
            "selector": {
                "repositoryLocationName": LOCATION,
                "repositoryName": REPOSITORY,
                "jobName": job,
            },
            "runConfigData": config,
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        launched = (await self._ask(LAUNCH, {"params": params}))["launchRun"]
        if launched["__typename"] != "LaunchRunSuccess":
            detail = launched.get("message") or "; ".join(each["message"] for each in launched.get("errors", ()))
            raise ServiceUnavailable(f"Dagster cannot start {job} now; its log has the details.", detail=detail)
        return self._started(launched["run"])

    async def _ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        return await ask(self._dagster(), query, variables)

    def _started(self, run: dict[str, Any], message: str = "", figures: dict[str, float] | None = None) -> Started:
        link = f"{(self._dagster() or '').rstrip('/')}/runs/{run['runId']}"
        job, status = run["jobName"], run["status"]
        return Started(run=run["runId"], job=job, status=status, link=link, message=message, figures=figures or {})
