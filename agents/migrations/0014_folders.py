"""Folders of agents, and which of their files are open."""

import django.db.models.deletion
from django.db import migrations, models

import accounts.fields


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0013_callbacks"),
        ("memory", "0011_folders"),
    ]

    operations = [
        migrations.CreateModel(
            name="AgentFolder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("agent", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="agents.agent")),
                ("folder", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="memory.folder")),
            ],
        ),
        migrations.AddField(
            model_name="agent",
            name="folders",
            field=models.ManyToManyField(related_name="agents", through="agents.AgentFolder", to="memory.folder"),
        ),
        migrations.CreateModel(
            name="AgentFile",
            fields=[
                ("id", accounts.fields.IdField(prefix="file_agent", serialize=False)),
                ("is_open", models.BooleanField(default=False)),
                ("first_line", models.PositiveIntegerField(blank=True, null=True)),
                ("last_line", models.PositiveIntegerField(blank=True, null=True)),
                ("wanted_lines", models.PositiveIntegerField(blank=True, null=True)),
                ("window", accounts.fields.SafeTextField(blank=True, null=True)),
                ("accessed_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "agent",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="files", to="agents.agent"
                    ),
                ),
                (
                    "file",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="memory.file"),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["agent", "-created_at", "id"], name="agent_file_newest"),
                    models.Index(condition=models.Q(("is_open", True)), fields=["agent"], name="agent_file_open"),
                ],
                "constraints": [models.UniqueConstraint(fields=("agent", "file"), name="agent_file_once")],
            },
        ),
        migrations.AddConstraint(
            model_name="agentfolder",
            constraint=models.UniqueConstraint(fields=("agent", "folder"), name="folder_attached_once"),
        ),
    ]
