"""The default conversation of an agent is found at once, however many others the agent has."""

from django.db import migrations

# Of "agent_id = ... AND is_default" Postgres expects as many rows as the agent has conversations, and then goes through
# them. Of an expression with a unique index it knows that there is one.
FORWARD = """
CREATE UNIQUE INDEX conversation_default_of ON agents_conversation ((CASE WHEN is_default THEN agent_id END));
"""

BACKWARD = """
DROP INDEX conversation_default_of;
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0005_approvals")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
