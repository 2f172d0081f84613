"""A request for each operation that needs more than ids: a body that is answered well, and the query that it needs."""

from typing import Any

SAID = {"input": "hello"}
SOURCE = '''
def {name}(place: str) -> str:
    """Tell the weather.

    Args:
        place (str): where
    """
    return place
'''
CONFIG = {"mcp_server_type": "streamable_http", "server_url": "http://127.0.0.1:9/mcp"}  # where nobody listens
DATE = "2026-01-01T00:00:00Z"

BODIES: dict[str, Any] = {
    "agents.blocks.update": {"value": "Bo", "metadata": {"a": 1}, "tags": ["t"], "description": "who"},
    "agents.create": {
        "name": "Ann",
        "model": "openai/fake-1",
        "memory_blocks": [{"label": "human", "value": "x"}],
        "tool_rules": [{"type": "run_first", "tool_name": "send_message"}],
        "tags": ["t"],
        "secrets": {"NAME": "value"},
        "metadata": {"a": "b"},
        "embedding": "openai/text-embedding-3-small",
    },
    "agents.messages.cancel": {"run_ids": []},
    "agents.messages.reset": {"add_default_initial_messages": True},
    "agents.messages.compact": {"compaction_settings": {"mode": "all"}},
    "agents.messages.create": SAID | {"client_tools": [{"name": "look", "description": "Look."}]},
    "agents.messages.create_async": {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
    "agents.messages.stream": SAID | {"stream_tokens": True},
    "agents.passages.create": {"text": "It rains.", "tags": ["t"], "created_at": DATE, "metadata": {"a": 1}},
    "agents.tools.run": {"args": {"on": True}},
    "agents.tools.update_approval": {"requires_approval": False},
    "agents.update": {"description": "walked", "timezone": "Europe/Rome", "metadata": {"a": 1}},
    "approvals.answer": {"approve": False, "reason": "Not now."},
    "archives.create": {"name": "a", "description": "b"},
    "archives.passages.create": {"text": "x", "tags": ["t"]},
    "archives.passages.create_many": {"passages": [{"text": "x"}]},
    "archives.update": {"name": "c"},
    "blocks.create": {"label": "new", "value": "x", "description": "y", "tags": ["t"]},
    "blocks.import_many": {"blocks": [{"label": "imported", "value": "x", "description": "y", "tags": ["t"]}]},
    "blocks.update": {"value": "y", "description": "z"},
    "blocks.undo": {"version": 1},
    "conversations.create": {"summary": "s", "description": "d"},
    "conversations.messages.compact": {"compaction_settings": {"mode": "all", "clip_chars": 100}},
    "conversations.messages.create": SAID | {"streaming": False},
    "conversations.messages.stream": {"otid": "spoken"},
    "conversations.update": {"summary": "s", "last_message_at": DATE},
    "folders.create": {"name": "f", "description": "d", "instructions": "i", "embedding_chunk_size": 100},
    "folders.update": {"description": "e", "metadata": {"a": 1}},
    "identities.create": {"identifier_key": "example", "name": "n", "identity_type": "user"},
    "identities.properties.upsert": [{"key": "k", "value": "v", "type": "string"}],
    "identities.update": {"name": "m", "project_id": "p"},
    "identities.upsert": {"identifier_key": "example", "name": "n", "identity_type": "org"},
    "mcp_servers.create": {"server_name": "example", "config": CONFIG | {"auth_token": "secret"}},
    "mcp_servers.tools.run": {"args": {"a": "b"}},
    "mcp_servers.update": {"server_name": "changed", "config": CONFIG | {"custom_headers": {"X-A": "b"}}},
    "messages.search": {"query": "hello", "start_date": DATE},
    "passages.search": {"query": "rains", "tags": ["t"], "end_date": DATE},
    "retention.update": {"runs_days": 3650},
    "runs.messages.stream": {"starting_after": 0},
    "steps.feedback.create": {"feedback": "positive", "tags": ["t"]},
    "tools.create": {"source_code": SOURCE.format(name="look"), "tags": ["t"], "metadata_": {"a": 1}},
    "tools.generate_schema": {"code": SOURCE.format(name="look")},
    "tools.run": {"source_code": SOURCE.format(name="look"), "args": {"place": "Rome"}, "env_vars": {"A": "b"}},
    "tools.search": {"query": "weather", "tags": ["t"]},
    "tools.update": {"description": "other", "tags": ["t"]},
    "tools.upsert": {"source_code": SOURCE.format(name="look_again")},
}

FILES: dict[str, Any] = {"folders.files.upload": {"file": ("example.md", b"# Rain\nIt rains.", "text/markdown")}}

# Where the example is not answered with what was asked for, because of what is not there.
REFUSED: dict[str, int] = {
    "agents.messages.cancel": 409,
    "agents.tools.run": 400,
    "conversations.cancel": 409,
    "mcp_servers.refresh": 502,
    "mcp_servers.tools.retrieve": 404,
    "mcp_servers.tools.run": 404,
}

QUERIES: dict[str, dict[str, str]] = {
    "agents.list": {"include": "agent.secrets"},
    "agents.passages.search": {"query": "rains"},
    "agents.retrieve": {"include": "agent.blocks"},
    "conversations.list": {"archive_status": "all"},
}
