"""Directions for the fake LLM, written into a user's message (tests/fakellm tells what it understands)."""

import json
from typing import Any


def call(tool: str, /, **arguments: Any) -> str:
    """The model calls a tool."""
    texts = {name: str(value) if hasattr(value, "__fspath__") else value for name, value in arguments.items()}
    return f"!call {tool} {json.dumps(texts)}"


def turn(*answers: str, text: str = "Begin.") -> str:
    """A message to which the model gives these answers, one after the other."""
    return f"{text}\n" + "\n!then\n".join(answers)
