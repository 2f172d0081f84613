"""The last calls of a tool are found by its name."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agents", "0010_messages_between_agents")]
    operations = [
        migrations.AddIndex(
            "toolattempt", models.Index(fields=["organization", "name", "-id"], name="attempt_of_tool")
        ),
    ]
