"""An idempotency key holds in its conversation: a client may send the same message to each of its agents."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_retention"),
        ("agents", "0020_summary_tokens"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="run",
            name="run_key_once",
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.UniqueConstraint(fields=("conversation", "idempotency_key"), name="run_key_once_there"),
        ),
    ]
