"""msgspec Structs as Arrow tables: the schema follows from the record's annotations."""

from __future__ import annotations

import types
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

__all__ = ["from_table", "schema_of", "to_table"]

R = TypeVar("R", bound=msgspec.Struct)


def schema_of(record: type[msgspec.Struct]) -> pa.Schema:
    """The Arrow schema of a record. Floats are float64 alone and float32 in lists.

    Raises:
        TypeError: A field's type has no Arrow equivalent here.
    """
    import pyarrow as pa

    hints = get_type_hints(record)
    return pa.schema([(field, _arrow_type(hints[field])) for field in record.__struct_fields__])


def to_table(rows: Sequence[Any], record: type[msgspec.Struct]) -> pa.Table:
    """The rows as a table, one column a field."""
    import pyarrow as pa

    schema = schema_of(record)
    columns = [pa.array([_plain(getattr(row, field.name)) for row in rows], type=field.type) for field in schema]
    return pa.table(columns, schema=schema)


def from_table(table: pa.Table, record: type[R]) -> list[R]:
    """The records of a table that `to_table` made."""
    import pyarrow as pa

    maps = [field.name for field in table.schema if pa.types.is_map(field.type)]
    return msgspec.convert(
        [
            row | {name: dict(row[name]) for name in maps if row[name] is not None} for row in table.to_pylist()
        ],  # Arrow gives maps as pairs
        type=types.GenericAlias(list, (record,)),
        builtin_types=(datetime,),
    )


def _arrow_type(hint: Any) -> pa.DataType:
    import pyarrow as pa

    scalars = {
        str: pa.string(),
        int: pa.int64(),
        float: pa.float64(),
        bool: pa.bool_(),
        bytes: pa.binary(),
        datetime: pa.timestamp("us", "UTC"),
    }
    if hint in scalars:
        return scalars[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return pa.string()
    if origin in (Union, types.UnionType):
        return _arrow_type(next(argument for argument in arguments if argument is not type(None)))
    if origin is list:
        return pa.list_(pa.float32() if arguments[0] is float else _arrow_type(arguments[0]))
    if origin is dict:
        return pa.map_(pa.string(), _arrow_type(arguments[1]))
    raise TypeError(f"No Arrow type for {hint!r}.")


def _plain(value: Any) -> Any:
    return list(value.items()) if isinstance(value, dict) else value
