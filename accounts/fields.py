"""The column types that every model uses: prefixed ids, and text and JSON that Postgres can always store."""

import math
import re
import uuid
from functools import partial
from typing import Any

from django.db import models

ID_PATTERN = "{prefix}-[0-9a-f]{{8}}-[0-9a-f]{{4}}-4[0-9a-f]{{3}}-[89ab][0-9a-f]{{3}}-[0-9a-f]{{12}}"

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def new_id(prefix: str) -> str:
    """`prefix-<uuid4>`, the form of every id on the wire and in the database."""
    return f"{prefix}-{uuid.uuid4()}"


def clean_text(text: str) -> str:
    """Replace what Postgres refuses (NUL, lone surrogates) by U+FFFD."""
    return _UNSTORABLE.sub("�", text)


def clean_json(value: Any) -> Any:
    """`clean_text` through a JSON value, keys included; NaN and infinities, which JSON has not, become null."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(str(key)): clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class IdField(models.CharField):
    """Primary key `prefix-<uuid4>`, compared bytewise."""

    def __init__(self, prefix: str = "", **kwargs: Any):
        self.prefix = prefix
        kwargs |= {"primary_key": True, "max_length": 56, "db_collation": "C", "editable": False}
        kwargs["default"] = partial(new_id, prefix)
        super().__init__(**kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        for implied in ("primary_key", "max_length", "db_collation", "editable", "default"):
            kwargs.pop(implied, None)
        return name, path, args, kwargs | {"prefix": self.prefix}

    def db_type(self, connection) -> str:
        # Spelled out, because for "varchar" Django adds a second (LIKE) index to this column and to each foreign key.
        return f"character varying({self.max_length})"


class SafeTextField(models.TextField):
    """Text of any origin: what Postgres refuses is replaced on the way in."""

    def get_prep_value(self, value):
        value = super().get_prep_value(value)
        return clean_text(value) if isinstance(value, str) else value


class SafeJSONField(models.JSONField):
    """JSON of any origin, as jsonb."""

    def get_db_prep_value(self, value, connection, prepared=False):
        if isinstance(value, dict | list | str | float):
            value = clean_json(value)
        return super().get_db_prep_value(value, connection, prepared)
