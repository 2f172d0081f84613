"""What a tool of an MCP server returned -> text for a model. Images and sounds are described, not shown."""

import json
from typing import Any

from tools.mcp.calls import Answer


def answer(result: Any) -> Answer:
    """`result` is a CallToolResult."""
    said = [_text(block) for block in result.content]
    structured = result.structured_content
    if structured is not None and not any(_repeats(text, structured) for text in said):
        said.append(json.dumps(structured, ensure_ascii=False))
    return Answer("error" if result.is_error else "success", "\n".join(said))


def _text(block: Any) -> str:
    match block.type:
        case "text":
            return str(block.text)
        case "image" | "audio":
            return f"[{block.type}, {block.mime_type}, {len(block.data) * 3 // 4:,} bytes; it cannot be shown here]"
        case "resource_link":
            return " ".join(part for part in (f"[link to {block.name}: {block.uri}]", block.description) if part)
        case "resource" if hasattr(block.resource, "text"):
            return str(block.resource.text)
        case "resource":
            return f"[file {block.resource.uri}, {block.resource.mime_type or 'of an unknown type'}; it is not text]"
    return f"[{block.type}; it cannot be shown here]"


def _repeats(text: str, structured: Any) -> bool:
    """Servers tell structured content a second time as text, for clients that know only that.

    A bare value they wrap, as {"result": value}.
    """
    bare = structured.get("result") if isinstance(structured, dict) and len(structured) == 1 else structured
    if text == bare:
        return True
    try:
        return json.loads(text) in (structured, bare)
    except (ValueError, RecursionError):
        return False
