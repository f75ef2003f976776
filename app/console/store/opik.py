"""The Opik stand-in's store: traces, spans and feedback scores in MongoDB, merged by id as Opik merges them.

Writes may come in any order and more than once. A create sets the fields that it carries; an update's fields win over
a create's, even when the update arrives first, which the SDK's batching makes common. JSON values are kept as the text
that was sent, so their keys and numbers are not limited by BSON. Times are kept as microseconds since 1970.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from pymongo import DESCENDING, UpdateOne

from app.console.store.opik_records import ABSENT, DEFAULT_PROJECT, Project, Score, Span, Trace, project_id
from twin.errors import InputError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pymongo.asynchronous.collection import AsyncCollection
    from pymongo.asynchronous.database import AsyncDatabase

    from app.console.store.opik_records import ScoreWrite, SpanUpdate, SpanWrite, TraceUpdate, TraceWrite

__all__ = ["MAX_CHARACTERS", "TraceStore", "microseconds"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = (datetime.min.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
LAST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
JSON_FIELDS = ("input", "output", "metadata", "usage", "error_info")
TIME_FIELDS = ("start_time", "end_time", "last_updated_at")
MAX_CHARACTERS = 4_000_000
"""Of one trace's or span's JSON; MongoDB keeps at most 16 MB, and a character takes up to four bytes."""

Entity = Literal["trace", "span"]


class TraceStore:
    """Traces, spans, scores and projects in `database`, in collections prefixed `opik_`."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]]) -> None:
        self._traces = database["opik_traces"]
        self._spans = database["opik_spans"]
        self._scores = database["opik_scores"]
        self._projects = database["opik_projects"]

    @staticmethod
    async def prepare(database: AsyncDatabase[dict[str, Any]]) -> None:
        """Makes the indexes; safe to repeat."""
        await database["opik_traces"].create_index([("start_time", DESCENDING), ("_id", DESCENDING)])
        await database["opik_traces"].create_index([("project_name", 1), ("_id", DESCENDING)])
        await database["opik_spans"].create_index([("trace_id", 1), ("start_time", 1)])
        await database["opik_spans"].create_index([("project_name", 1), ("_id", DESCENDING)])
        await database["opik_scores"].create_index([("entity", 1), ("entity_id", 1)])

    async def create_traces(self, traces: Sequence[TraceWrite]) -> None:
        """Upserts traces by id."""
        await self._create(self._traces, traces)

    async def create_spans(self, spans: Sequence[SpanWrite]) -> None:
        """Upserts spans by id."""
        await self._create(self._spans, spans)

    async def update_trace(self, trace_id: str, update: TraceUpdate) -> None:
        """Merges an update into a trace, which may be created later."""
        await self._update(self._traces, trace_id, update)

    async def update_span(self, span_id: str, update: SpanUpdate) -> None:
        """Merges an update into a span, which may be created later."""
        await self._update(self._spans, span_id, update)

    async def score(self, entity: Entity, scores: Sequence[ScoreWrite]) -> None:
        """Sets scores; one of the same name on the same trace or span is replaced."""
        if not scores:
            return
        await self._scores.bulk_write(
            [
                UpdateOne(
                    {"_id": f"{entity}/{score.id}/{score.name}"},
                    {"$set": {**msgspec.to_builtins(score), "id": None, "entity": entity, "entity_id": score.id}},
                    upsert=True,
                )
                for score in scores
            ],
            ordered=False,
        )

    async def delete_traces(self, ids: Sequence[str]) -> None:
        """Removes traces with their spans and scores; unknown ids are no error."""
        spans = [span["_id"] async for span in self._spans.find({"trace_id": {"$in": ids}}, {"_id": 1})]
        await self._scores.delete_many({"entity_id": {"$in": [*ids, *spans]}})
        await self._spans.delete_many({"_id": {"$in": spans}})
        await self._traces.delete_many({"_id": {"$in": ids}})

    async def trace(self, trace_id: str) -> Trace:
        """One trace.

        Raises:
            UnknownName: There is none of that id.
        """
        found = await self.traces({"_id": trace_id}, limit=1)
        if not found:
            raise UnknownName(f"No trace has the id {trace_id}.")
        return found[0]

    async def span(self, span_id: str) -> Span:
        """One span.

        Raises:
            UnknownName: There is none of that id.
        """
        found = await self.spans({"_id": span_id}, limit=1)
        if not found:
            raise UnknownName(f"No span has the id {span_id}.")
        return found[0]

    async def traces(self, query: Mapping[str, Any], *, limit: int, skip: int = 0) -> list[Trace]:
        """Traces that match a MongoDB query over the stored fields, newest first."""
        found = self._traces.find({**_created(), **query}).sort([("start_time", DESCENDING), ("_id", DESCENDING)])
        rows = [row async for row in found.skip(skip).limit(limit)]
        return await self._with_scores("trace", rows, Trace)

    async def spans(self, query: Mapping[str, Any], *, limit: int = 0) -> list[Span]:
        """Spans that match a MongoDB query over the stored fields, oldest first; a limit of 0 means all."""
        found = self._spans.find({**_created(), **query}).sort([("start_time", 1), ("_id", 1)])
        rows = [row async for row in found.limit(limit)]
        return await self._with_scores("span", rows, Span)

    async def search_traces(self, query: Mapping[str, Any], *, limit: int) -> list[Trace]:
        """Traces that match, by id downwards, as the SDK pages through them."""
        rows = [row async for row in self._traces.find({**_created(), **query}).sort("_id", DESCENDING).limit(limit)]
        return await self._with_scores("trace", rows, Trace)

    async def search_spans(self, query: Mapping[str, Any], *, limit: int) -> list[Span]:
        """Spans that match, by id downwards, as the SDK pages through them."""
        rows = [row async for row in self._spans.find({**_created(), **query}).sort("_id", DESCENDING).limit(limit)]
        return await self._with_scores("span", rows, Span)

    async def spans_of(self, trace_ids: Sequence[str]) -> dict[str, list[Span]]:
        """The spans of some traces by trace id, oldest first."""
        grouped: dict[str, list[Span]] = {trace_id: [] for trace_id in trace_ids}
        for span in await self.spans({"trace_id": {"$in": list(trace_ids)}}):
            grouped[span.trace_id].append(span)
        return grouped

    async def projects(self) -> list[Project]:
        """Every project, by name."""
        return [Project(id=row["_id"], name=row["name"]) async for row in self._projects.find().sort("name")]

    async def add_projects(self, names: Iterable[str]) -> None:
        """Makes the projects that do not exist yet."""
        writes = [UpdateOne({"_id": project_id(name)}, {"$set": {"name": name}}, upsert=True) for name in set(names)]
        if writes:
            await self._projects.bulk_write(writes, ordered=False)

    async def _create(self, rows: AsyncCollection[dict[str, Any]], items: Sequence[TraceWrite | SpanWrite]) -> None:
        if not items:
            return
        await self.add_projects(item.project_name or DEFAULT_PROJECT for item in items)
        await rows.bulk_write([_creation(item) for item in items], ordered=True)

    async def _update(self, rows: AsyncCollection[dict[str, Any]], key: str, update: TraceUpdate | SpanUpdate) -> None:
        fields = _stored(update)
        await rows.update_one(
            {"_id": key},
            {"$set": fields, "$addToSet": {"updated": {"$each": list(fields)}}} if fields else {"$set": {"_id": key}},
            upsert=True,
        )

    async def _with_scores(self, entity: Entity, rows: list[dict[str, Any]], kind: type[Any]) -> list[Any]:
        scores: dict[str, list[Score]] = {row["_id"]: [] for row in rows}
        async for row in self._scores.find({"entity": entity, "entity_id": {"$in": list(scores)}}).sort("name"):
            scores[row["entity_id"]].append(msgspec.convert(row, Score))
        return [_read(row, kind, scores[row["_id"]]) for row in rows]


def _created() -> dict[str, Any]:
    """Leaves out what only updates have reached so far."""
    return {"start_time": {"$exists": True}}


def _stored(item: msgspec.Struct) -> dict[str, Any]:
    """The fields that `item` carries, as MongoDB keeps them."""
    given = msgspec.structs.asdict(item)
    fields = {name: value for name, value in given.items() if value not in (None, ABSENT) and name != "id"}
    for name in JSON_FIELDS:
        if name in fields:
            fields[name] = msgspec.json.encode(fields[name]).decode("utf-8", "replace")
    if (size := sum(len(fields.get(name, "")) for name in JSON_FIELDS)) > MAX_CHARACTERS:
        raise InputError(f"A trace or span carries {size:,} characters; at most {MAX_CHARACTERS:,} are kept of one.")
    for name in TIME_FIELDS:
        if name in fields:
            fields[name] = microseconds(fields[name])
    return fields


def _creation(item: TraceWrite | SpanWrite) -> UpdateOne:
    """An upsert that leaves alone the fields which an update has set."""
    updated = {"$ifNull": ["$updated", []]}
    fields = {
        name: {"$cond": [{"$in": [name, updated]}, f"${name}", {"$literal": value}]}
        for name, value in _stored(item).items()
    }
    return UpdateOne({"_id": item.id}, [{"$set": fields}], upsert=True)


def _read(row: dict[str, Any], kind: type[Any], scores: list[Score]) -> Any:
    values = {name: value for name, value in row.items() if name not in ("_id", "updated")}
    for name in JSON_FIELDS:
        if name in values:
            values[name] = _parsed(values[name])
    for name in TIME_FIELDS:
        if name in values:
            values[name] = moment_of(values[name])
    return msgspec.convert({**values, "id": row["_id"], "feedback_scores": scores}, kind)


def _parsed(text: str) -> Any:
    """The JSON value of `text`, or `text` itself where it nests deeper than Python can follow."""
    try:
        return json.loads(text)
    except RecursionError:
        return text


def moment_of(microseconds: int) -> datetime:
    """A stored time; one beyond what a calendar in UTC holds, as an offset can make it, is its first or last moment."""
    return EPOCH + timedelta(microseconds=min(max(microseconds, FIRST), LAST))


def microseconds(moment: datetime) -> int:
    """A time as stored: microseconds since 1970; without an offset it is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)
