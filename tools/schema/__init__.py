"""Source of a Python function -> the JSON schema that a model is shown. Read by `ast`; nothing of it is ever run."""

from tools.schema.errors import (
    InvalidSource,
    MissingDocstring,
    NoFunction,
    RecursiveType,
    SchemaError,
    TooLarge,
    UnannotatedArgument,
    UndocumentedArgument,
    UnsupportedArgument,
    UnsupportedName,
    UnsupportedType,
)
from tools.schema.functions import MAX_SOURCE_BYTES, NAME, function_name, schema_from_source

__all__ = [
    "MAX_SOURCE_BYTES",
    "NAME",
    "InvalidSource",
    "MissingDocstring",
    "NoFunction",
    "RecursiveType",
    "SchemaError",
    "TooLarge",
    "UnannotatedArgument",
    "UndocumentedArgument",
    "UnsupportedArgument",
    "UnsupportedName",
    "UnsupportedType",
    "function_name",
    "schema_from_source",
]
