"""Files that commands read and write: every refusal is a sentence, and comes before anything is done."""

import json
import os
from pathlib import Path
from typing import Any

from cli.configuration import Refused


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Refused(f"{path} cannot be read: it is no text in UTF-8.") from None
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from None


def json_of(path: Path) -> Any:
    """The value in a file; of JSON lines, the list of them."""
    text = text_of(path)
    try:
        return json.loads(text)
    except ValueError as error:
        whole = error
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        raise Refused(f"{path} is no JSON: {whole}.") from None


def refuse_unwritable(path: Path) -> None:
    """Of a file that is to be made."""
    if path.is_dir():
        raise Refused(f"{path} is a folder; give the name of a new file in it.")
    if path.exists() or path.is_symlink():
        raise Refused(f"{path} is there already; give the name of a new file.")
    if not path.parent.is_dir():
        raise Refused(f"There is no folder {path.parent}; make it first.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise Refused(f"Nothing may be written to {path.parent}; give the name of a file in another folder.")
