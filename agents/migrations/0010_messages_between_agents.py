"""Runs that an agent has asked of another, and runs that wait for them."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agents", "0009_isolated_blocks")]

    operations = [
        migrations.AddField(
            "run",
            "asked_by",
            models.ForeignKey(
                db_index=False,
                help_text="whose call has sent its message, where that was another agent's",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="asked",
                to="agents.run",
            ),
        ),
        migrations.AddField("run", "asked_by_call", models.CharField(max_length=64, null=True)),
        migrations.AddField(
            "run",
            "is_awaited",
            models.BooleanField(db_default=False, default=False, help_text="`asked_by` waits for its end"),
        ),
        migrations.AddField(
            "run",
            "waits",
            models.BooleanField(db_default=False, default=False, help_text="for the end of runs that it has asked for"),
        ),
        migrations.AddField(
            "run",
            "depth",
            models.PositiveSmallIntegerField(db_default=0, default=0, help_text="how many askers stand before it"),
        ),
        migrations.AddIndex(
            "run",
            models.Index(condition=models.Q(("asked_by__isnull", False)), fields=["asked_by"], name="run_asked"),
        ),
        migrations.AddIndex(
            "run", models.Index(condition=models.Q(("waits", True)), fields=["conversation"], name="run_waits")
        ),
    ]
