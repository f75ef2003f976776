"""Documents as they come in, and as everything after them reads them."""

from collections.abc import Sequence
from itertools import islice

import dagster as dg
import msgspec

from assets.describe import (
    KEPT_IN_STEP,
    NOTHING_NEW,
    OWNER,
    collecting,
    counted,
    publishing,
    stopwatch,
    table,
    tell_left_out,
)
from resources import CacheResource, InboxResource, WarehouseResource
from twin import cleaning
from twin.cleaning import refresh
from twin.collection import ingestion, sources
from twin.collection.files.inbox import adopt
from twin.errors import SettingsError
from twin.settings import HomeSettings, SourceSettings, read
from twin.warehouse import IngestReport, Outcome, Warehouse

__all__ = ["ASSETS", "CHECKS", "CollectionConfig", "cleaned_documents", "raw_documents"]

GROUP = "collection"
MAX_PROBLEMS = 100
MAX_PLACES = 50
MAX_GROUPS = 8
MAX_LINES = 50


class CollectionConfig(dg.Config):
    """What to look at, and what to believe of it."""

    locations: list[str] = []
    """Only these paths and URLs, which the twin will know from now on. Empty: everything it knows."""
    author: str | None = None
    """Whose documents `locations` are, where they do not say so themselves."""
    include: list[str] | None = None
    """Only the files that one of these patterns matches, in the syntax of .gitignore; None: as it was."""
    exclude: list[str] | None = None
    """Not the files that these patterns match; None: as it was."""
    include_drafts: bool | None = None
    """Whether drafts and what is not yet, or no longer, published come in; None: as it was."""
    confirm_vanished: bool = False
    """Remove what vanished even when it is a large share of its source."""


@dg.asset(
    group_name=GROUP,
    kinds={"mongodb"},
    owners=[OWNER],
    code_version="1",
    freshness_policy=KEPT_IN_STEP,
)
def raw_documents(
    context: dg.AssetExecutionContext,
    config: CollectionConfig,
    warehouse: WarehouseResource,
    cache: CacheResource,
    inbox: InboxResource,
) -> dg.MaterializeResult:
    """Every document of every source, in MongoDB, with its revisions; what vanished from its source is tombstoned."""
    store = warehouse.client
    file = read(HomeSettings).config
    adopt(store, inbox.folder)
    choice = sources.choice(config.include, config.exclude, config.include_drafts)
    todo = sources.selected(config.locations, config.author, sources.known(file, store), choice)
    with stopwatch() as watch, collecting(context, store):
        forgotten = sources.forget_dropped(file, store, todo)
        for line in forgotten:
            context.log.info(line)
        if not todo:
            raise SettingsError(
                "This twin has no sources. Name some in twin.yaml, or run `llm-twin ingest PATH_OR_URL --author NAME`."
            )
        report = ingestion.ingest(
            todo,
            store,
            read(SourceSettings),
            cache=cache.folder("collection"),
            inbox=inbox.folder,
            confirm_vanished=config.confirm_vanished,
            forget_empty=bool(config.locations),
            tell=context.log.info,
        )
    _tell(context, report)
    if not forgotten and not any(report.counts[name] for name in ("added", "changed", "removed")):
        context.instance.add_run_tags(context.run_id, NOTHING_NEW)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(store.documents.data_version()),
        metadata={
            **counted(
                **report.counts,
                sources=len(todo),
                pieces_left_out=store.documents.left_out_counts(),
                seconds=watch.seconds,
                warnings=len(report.warnings),
            ),
            "dagster/row_count": store.documents.count(),
            "outcomes": table([msgspec.structs.asdict(outcome) for outcome in report.outcomes]),
            "by_place": table(ingestion.by_place(report), limit=MAX_PLACES),
            "problems": _listed(report.problems),
            "withheld_documents": _listed(report.kept_back),
            **({"forgotten": dg.MetadataValue.json(forgotten)} if forgotten else {}),
        },
    )


@dg.asset_check(asset=raw_documents, blocking=True)
def has_documents(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """At least one document was brought in, or all that there are is withheld, so that the index may be empty."""
    count = warehouse.client.documents.count()
    withheld = sum(1 for _ in warehouse.client.sources.withheld()) if not count else 0
    return dg.AssetCheckResult(
        passed=count > 0 or withheld > 0,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"documents": count, "withheld": withheld},
    )


@dg.asset(
    deps=[raw_documents],
    group_name=GROUP,
    kinds={"mongodb"},
    owners=[OWNER],
    code_version=cleaning.VERSION,
    freshness_policy=KEPT_IN_STEP,
)
def cleaned_documents(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:
    """Documents without boilerplate, copies, personal data and secrets; structure, code and voice are kept."""
    store = warehouse.client
    with stopwatch() as watch, publishing(context, store):
        report = refresh.refresh(store)
    context.log.info(f"{report.cleaned} cleaned, {report.unchanged} unchanged, {report.removed} removed")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(store.cleaned.data_version()),
        metadata={
            **counted(
                cleaned=report.cleaned,
                unchanged=report.unchanged,
                removed=report.removed,
                compared=report.compared,
                duplicates=report.duplicates,
                near_duplicates=report.near_duplicates,
                redactions=report.redactions,
                redactions_in_all=store.cleaned.redaction_counts(),
                seconds=watch.seconds,
            ),
            "dagster/row_count": store.cleaned.count() - report.duplicates,
            "copies": table(_groups(store)),
            **tell_left_out(context, report.left_out),
        },
    )


@dg.asset_check(asset=cleaned_documents, blocking=True)
def no_personal_data(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No cleaned document holds a recognisable secret or personal datum."""
    offenders = list(islice(refresh.leaks(warehouse.client), MAX_PROBLEMS))
    return dg.AssetCheckResult(
        passed=not offenders,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"offenders": table([{"document": url, "kinds": ", ".join(kinds)} for url, kinds in offenders])},
    )


@dg.asset_check(asset=cleaned_documents, blocking=True)
def documents_are_whole(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Every cleaned document has a title, an author, a location and text."""
    offenders = warehouse.client.cleaned.incomplete(MAX_PROBLEMS)
    return dg.AssetCheckResult(
        passed=not offenders,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"offenders": dg.MetadataValue.json(offenders)},
    )


@dg.asset_check(asset=cleaned_documents)
def few_duplicates(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """At most half of the documents are copies of others; more means that a source is listed twice."""
    exact, near = warehouse.client.copies.counts()
    share = (exact + near) / max(1, warehouse.client.cleaned.count())
    return dg.AssetCheckResult(
        passed=share <= 0.5,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"share_of_copies": round(share, 3), "exact": exact, "near": near},
    )


def _listed(outcomes: Sequence[Outcome]) -> dg.MetadataValue:
    return dg.MetadataValue.json(
        [{"url": o.url, "state": o.state, "reason": o.reason or ""} for o in outcomes[:MAX_PROBLEMS]]
    )


def _groups(store: Warehouse) -> list[dict[str, str]]:
    """The largest groups of copies, as rows of a table."""
    return [
        {"canonical": original, "copies": ", ".join(f"{url} ({similarity:.0%})" for url, similarity in copies)}
        for original, copies in store.copies.groups(MAX_GROUPS)
    ]


def _tell(context: dg.AssetExecutionContext, report: IngestReport) -> None:
    """The sources at which something happened, the warnings and the problems, up to a screenful of each."""
    eventful = [source for source in report.sources if source.error or source.held > source.unchanged or source.removed]
    for source in eventful[:MAX_LINES]:
        context.log.info(f"{source.source.location}: {ingestion.counts_as_text(source.counts)}")
    for warning in report.warnings[:MAX_LINES]:
        context.log.warning(warning)
    for outcome in report.problems[:MAX_LINES]:
        context.log.warning(f"{outcome.state} {outcome.url}: {outcome.reason}")
    for outcome in report.kept_back[:MAX_LINES]:
        context.log.info(f"withheld {outcome.url}: {outcome.reason}")
    context.log.info(f"{len(report.sources):,} sources: {ingestion.counts_as_text(report.counts)}")


ASSETS = [raw_documents, cleaned_documents]
CHECKS = [has_documents, no_personal_data, documents_are_whole, few_duplicates]
