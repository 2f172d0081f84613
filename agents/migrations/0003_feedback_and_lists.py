"""Steps get feedback and tags; the lists of an agent's steps and of an organization's messages get their indexes."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

from accounts.fields import SafeTextField

# As SQL, because nothing but the one list of api/recall.py is in need of it.
FORWARD = """
CREATE INDEX message_of_organization_in_order ON agents_message (organization_id, created_at, id);
"""

BACKWARD = """
DROP INDEX message_of_organization_in_order;
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0002_terminal_runs_stay")]
    operations = [
        migrations.AddField(
            "step",
            "feedback",
            models.CharField(choices=[("positive", "Positive"), ("negative", "Negative")], max_length=8, null=True),
        ),
        migrations.AddField(
            "step",
            "tags",
            ArrayField(SafeTextField(), default=list, db_default=models.Value([], ArrayField(SafeTextField()))),
        ),
        migrations.AddIndex("step", models.Index(fields=["agent", "-created_at", "id"], name="step_of_agent_newest")),
        migrations.AlterField(
            "step",
            "agent",
            models.ForeignKey("agents.agent", models.CASCADE, related_name="+", db_index=False),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
