"""The column types and naming rules that all tables share, and how a statement takes a list of ids in one parameter."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BindParameter, Column, ColumnElement, DateTime, Dialect, MetaData, Text, any_, bindparam, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine

_NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(referred_table_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}
METADATA = MetaData(naming_convention=_NAMES)
# The cache has metadata of its own because its table is made, never migrated: losing it loses only time.
CACHE_METADATA = MetaData(naming_convention=_NAMES)

# Keys compare by code point on both dialects, so that order and equality do not depend on the server's locale.
KEY: TypeEngine[str] = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

# Every statement names its tenant by this one parameter.
TENANT: BindParameter[str] = bindparam("tenant", type_=KEY)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware moments, stored in UTC to the microsecond and read back as UTC; a naive one is refused with ValueError."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; times are aware UTC.")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class JsonText(TypeDecorator[Any]):
    """JSON as text: it is read back with its keys in the order they had, its whole numbers and its fractions to the last
    digit. What is not JSON, NaN included, is refused with ValueError or TypeError. None is the database's NULL.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, allow_nan=False, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class TextList(TypeDecorator[Sequence[str]]):
    """A list of texts as one parameter: a JSON array for SQLite, a text array for PostgreSQL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        kind: TypeEngine[Any] = postgresql.ARRAY(Text()) if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:
        texts = list(value or ())
        return texts if dialect.name == "postgresql" else json.dumps(texts)


def one_of(column: Column[str], parameter: str, dialect: str) -> ColumnElement[bool]:
    """Whether the column's value is in the list bound to `parameter`.

    The list is one parameter whatever its length, so no limit on the number of variables can be met and one compiled
    statement serves every length.
    """
    values = bindparam(parameter, type_=TextList())
    if dialect == "postgresql":
        return column == any_(values)
    each = func.json_each(values).table_valued("value")
    return column.in_(select(each.c.value))
