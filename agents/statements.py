"""Rows by statements that are written out: what every step does, because a queryset takes ten times the CPU."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import Model


def set_columns(row: Model, values: dict[str, Any]) -> None:
    """UPDATE these columns of the row."""
    clause, prepared = assignments(type(row), values)
    execute(f"UPDATE {row._meta.db_table} SET {clause} WHERE id = %s", [*prepared, row.pk])


def assignments(model: type[Model], values: dict[str, Any]) -> tuple[str, list[Any]]:
    """The SET clause of an UPDATE, and its parameters."""
    columns: list[Any] = [model._meta.get_field(name) for name in values]
    prepared = [column.get_db_prep_save(values[column.name], connection) for column in columns]
    return ", ".join(f"{column.column} = %s" for column in columns), prepared


def insert(rows: Sequence[Model], before: str = "", parameters: Sequence[Any] = ()) -> None:
    """INSERT new rows of one table. `before` is a WITH clause, with its parameters."""
    if not rows:
        return
    meta = rows[0]._meta
    columns: list[Any] = [column for column in meta.local_concrete_fields if not column.generated]
    columns = [column for column in columns if column.attname != "id" or rows[0].pk]
    values = [column.get_db_prep_save(column.pre_save(row, True), connection) for row in rows for column in columns]
    names = ", ".join(f'"{column.column}"' for column in columns)
    one = f"({', '.join(['%s'] * len(columns))})"
    statement = f"{before}INSERT INTO {meta.db_table} ({names}) VALUES {', '.join([one] * len(rows))}"
    execute(statement, [*parameters, *values])


def rows_of(statement: str, parameters: list[Any], **models: type[Model]) -> tuple[list[Any], tuple[Any, ...]] | None:
    """The rows that a statement returns side by side; None: it returns none.

    `{name}` in the statement stands for all columns of the model of that name, in their order, read from what is called
    so in the statement. What is returned behind them all comes as a tuple of its own.
    """
    found = execute(_with_columns(statement, tuple(models.items())), parameters)
    if found is None:
        return None
    rows, rest = [], list(found)
    for model in models.values():
        names, converters = _columns(model)
        values, rest = rest[: len(names)], rest[len(names) :]
        for index, convert in converters:
            values[index] = convert(values[index], None, connection)
        rows.append(model.from_db("default", list(names), values))
    return rows, tuple(rest)


@cache
def _with_columns(statement: str, models: tuple[tuple[str, type[Model]], ...]) -> str:
    columns = {name: [f"{name}.{column}" for column in _columns(model)[0].values()] for name, model in models}
    return statement.format(**{name: ", ".join(each) for name, each in columns.items()})


@cache
def _columns(model: type[Model]) -> tuple[dict[str, str], list[tuple[int, Callable[..., Any]]]]:
    """The columns by attribute, and how those are read that Postgres gives in another form."""
    fields: list[Any] = list(model._meta.concrete_fields)
    converters = [(index, field.from_db_value) for index, field in enumerate(fields) if hasattr(field, "from_db_value")]
    return {field.attname: f'"{field.column}"' for field in fields}, converters


def execute(statement: str, parameters: list[Any]) -> Any:
    """The first row that the statement returns, if it is one that returns rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        # Not `cursor.description`, which makes an object of every column.
        return cursor.fetchone() if cursor.pgresult.nfields else None
