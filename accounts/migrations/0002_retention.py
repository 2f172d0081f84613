import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import accounts.fields


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Retention",
            fields=[
                (
                    "organization",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="retention",
                        serialize=False,
                        to="accounts.organization",
                    ),
                ),
                (
                    "runs_days",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Days since the end of a run; its steps and attempts go with it, what was said stays",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "messages_days",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Days since a message was said that is not in context any more",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "block_versions_days",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Days since a version of a block was made that is not the newest",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                ("due_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "verbose_name_plural": "retention",
                "indexes": [models.Index(fields=["due_at"], name="retention_due")],
            },
        ),
        migrations.CreateModel(
            name="Purge",
            fields=[
                ("id", accounts.fields.IdField(prefix="purge", serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[("runs", "Runs"), ("messages", "Messages"), ("block_versions", "Block Versions")],
                        max_length=16,
                    ),
                ),
                ("before", models.DateTimeField(null=True)),
                ("deleted", accounts.fields.SafeJSONField(default=dict)),
                ("position", models.CharField(default="", max_length=56)),
                ("began_at", models.DateTimeField(auto_now_add=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organization"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["organization", "-began_at", "id"], name="purge_newest")],
            },
        ),
    ]
