import django.db.models.deletion
from django.db import migrations, models

# All of an agent is of one organization. A planner that does not know it expects far too few rows, and sorts all.
OWNER = "CREATE STATISTICS agents_message_owner (dependencies) ON organization_id, agent_id FROM agents_message"


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0018_identity_jobs"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["agent", "id"], name="message_sample"),
        ),
        migrations.AlterField(
            model_name="message",
            name="agent",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="messages",
                to="agents.agent",
            ),
        ),
        migrations.RemoveIndex(model_name="message", name="message_of_agent_in_order"),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["agent", "created_at", "id"], name="message_of_agent_in_order"),
        ),
        migrations.RunSQL(OWNER, "DROP STATISTICS agents_message_owner"),
    ]
