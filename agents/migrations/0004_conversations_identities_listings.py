"""Conversations can be hidden and say who changed them; identities; what models the providers have."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

from accounts.fields import IdField, SafeJSONField, SafeTextField

_TYPES = [("org", "Org"), ("user", "User"), ("other", "Other")]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("memory", "0001_initial"),
        ("agents", "0003_feedback_and_lists"),
    ]
    operations = [
        migrations.AddField(
            "conversation",
            "hidden",
            models.BooleanField(db_default=False, default=False, help_text="left out of lists"),
        ),
        migrations.AddField(
            "conversation",
            "last_updated_by_id",
            models.CharField(blank=True, editable=False, max_length=56, null=True),
        ),
        migrations.AddIndex(
            "conversation",
            models.Index(
                fields=["organization", "-created_at", "id"],
                condition=models.Q(is_default=False),
                name="conversation_made_newest",
            ),
        ),
        migrations.AddIndex("agent", models.Index(fields=["organization", "-updated_at", "id"], name="agent_changed")),
        migrations.CreateModel(
            "ModelListing",
            [
                ("provider", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("names", ArrayField(SafeTextField(), default=list)),
                ("reason", SafeTextField(null=True)),
                ("asked_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            "Identity",
            [
                ("id", IdField(prefix="identity", serialize=False)),
                ("organization", models.ForeignKey("accounts.organization", models.CASCADE, related_name="+")),
                ("identifier_key", SafeTextField()),
                ("name", SafeTextField()),
                ("identity_type", models.CharField(choices=_TYPES, max_length=8)),
                ("properties", SafeJSONField(blank=True, default=list)),
                ("project_id", SafeTextField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            {
                "verbose_name_plural": "identities",
                "constraints": [
                    models.UniqueConstraint(fields=["organization", "identifier_key"], name="identity_key_once")
                ],
                "indexes": [models.Index(fields=["organization", "-created_at", "id"], name="identity_newest")],
            },
        ),
        migrations.CreateModel(
            "AgentIdentity",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("agent", models.ForeignKey("agents.agent", models.CASCADE)),
                ("identity", models.ForeignKey("agents.identity", models.CASCADE)),
            ],
            {"constraints": [models.UniqueConstraint(fields=["agent", "identity"], name="agent_of_identity_once")]},
        ),
        migrations.CreateModel(
            "BlockIdentity",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("block", models.ForeignKey("memory.block", models.CASCADE)),
                ("identity", models.ForeignKey("agents.identity", models.CASCADE)),
            ],
            {"constraints": [models.UniqueConstraint(fields=["block", "identity"], name="block_of_identity_once")]},
        ),
        migrations.AddField(
            "identity",
            "agents",
            models.ManyToManyField("agents.agent", related_name="identities", through="agents.AgentIdentity"),
        ),
        migrations.AddField(
            "identity",
            "blocks",
            models.ManyToManyField("memory.block", related_name="identities", through="agents.BlockIdentity"),
        ),
    ]
