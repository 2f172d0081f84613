"""Why no schema can be made of a source: each with the line, and with what to write instead."""


class SchemaError(ValueError):
    """No schema can be made of the source. `line` counts from 1."""

    def __init__(self, line: int, message: str):
        super().__init__(f"Line {line}: {message}")
        self.line = line


class InvalidSource(SchemaError):
    """It is too long, or not Python."""


class NoFunction(SchemaError):
    """There is no function at the top level."""


class UnsupportedName(SchemaError):
    """Models cannot be shown a function or an argument of this name."""


class MissingDocstring(SchemaError):
    """The function has no docstring, or one that cannot be read."""


class UndocumentedArgument(SchemaError):
    """The docstring says nothing about an argument."""


class UnannotatedArgument(SchemaError):
    """An argument has no type annotation."""


class UnsupportedArgument(SchemaError):
    """An argument cannot be passed by its name."""


class UnsupportedType(SchemaError):
    """An annotation has no counterpart in JSON."""


class RecursiveType(SchemaError):
    """A type contains itself."""


class TooLarge(SchemaError):
    """The types are nested too deeply, or make a schema that is too long."""
