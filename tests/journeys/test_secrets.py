"""I14: a secret stands in no row, log line, event or error."""

from pathlib import Path

import letta_client
import pytest

from tests.live import Server, turn

CANARY = "canary-5d1c0f7e"
TABLES = "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"


def test_secrets_stay_where_they_are(server: Server) -> None:
    client = server.client()
    agent = client.agents.create(model="openai/fake-1", secrets={"TOKEN": CANARY})
    said = str(client.agents.messages.create(agent.id, input=turn("!say Hello.")))
    with pytest.raises(letta_client.APIError) as refused:
        client.agents.messages.create(agent.id, input=turn("!status 401"))
    shown = client.agents.retrieve(agent.id, include=["agent.secrets"])
    assert [secret.key for secret in shown.secrets] == ["TOKEN"]
    secrets = (CANARY, server.environment["OPENAI_API_KEY"], server.key)
    seen = {"answers": f"{said} {refused.value} {shown}", "logs": logs(server)}
    seen |= {table: rows(server, table) for (table,) in server.sql(TABLES)}
    assert "agents_agent" in seen
    assert [name for name, text in seen.items() if any(secret in text for secret in secrets)] == []


def rows(server: Server, table: str) -> str:
    return str(server.sql(f"SELECT string_agg(t::text, ' ') FROM {table} AS t")[0][0])


def logs(server: Server) -> str:
    return " ".join(file.read_text(errors="replace") for file in Path(server.folder).glob("*.log"))
