"""Vectors of messages, and how far each conversation has its own. The database deletes both with what they are of.

And what an agent wants to be told with each message.
"""

import django.db.models.deletion
from django.db import migrations, models

import accounts.fields
import memory.models


def key_of(name):
    return models.OneToOneField(
        db_constraint=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        primary_key=True,
        related_name="+",
        serialize=False,
        to=f"agents.{name}",
    )


def goes_with(table, column, of):
    return migrations.RunSQL(
        f"""ALTER TABLE {table} ADD CONSTRAINT {table}_{column}
            FOREIGN KEY ({column}) REFERENCES {of} (id) ON DELETE CASCADE""",
        f"ALTER TABLE {table} DROP CONSTRAINT {table}_{column}",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("memory", "0003_vectors"),
        ("agents", "0015_samples"),
    ]

    operations = [
        migrations.CreateModel(
            name="MessageVector",
            fields=[
                ("message", key_of("message")),
                ("embedding", accounts.fields.SafeTextField(help_text="handle of the embedding model")),
                ("dimension", models.PositiveIntegerField()),
                ("value", memory.models.HalfVectorField()),
                (
                    "agent",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="agents.agent",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["agent", "embedding", "dimension"], name="message_vector_of_agent")],
            },
        ),
        migrations.CreateModel(
            name="EmbeddedHistory",
            fields=[
                ("conversation", key_of("conversation")),
                ("embedding", accounts.fields.SafeTextField(help_text="handle of the embedding model")),
                ("seq", models.BigIntegerField(default=0)),
                ("due_at", models.DateTimeField(null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("error", accounts.fields.SafeTextField(blank=True, default="")),
            ],
            options={
                "verbose_name_plural": "embedded histories",
                "indexes": [
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="embedded_history_due"
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="agent",
            name="retrieval",
            field=accounts.fields.SafeJSONField(
                blank=True,
                db_default={},
                default=dict,
                help_text='Told with each message: {"sources": ["archives", "messages"], "tokens": 1000}; '
                "empty: nothing",
            ),
        ),
        migrations.AddIndex(
            model_name="agent",
            index=models.Index(
                condition=models.Q(("embedding__isnull", False)), fields=["embedding"], name="agent_with_embedding"
            ),
        ),
        goes_with("agents_messagevector", "message_id", "agents_message"),
        goes_with("agents_embeddedhistory", "conversation_id", "agents_conversation"),
    ]
