"""Folders, their files, and the passages that the files are found by."""

import django.db.models.deletion
from django.db import migrations, models

import accounts.fields


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("memory", "0010_versions"),
    ]

    operations = [
        migrations.CreateModel(
            name="File",
            fields=[
                ("id", accounts.fields.IdField(prefix="file", serialize=False)),
                ("name", accounts.fields.SafeTextField()),
                ("original_name", accounts.fields.SafeTextField()),
                ("media_type", accounts.fields.SafeTextField(blank=True, default="")),
                ("kind", models.CharField(max_length=8)),
                ("size", models.PositiveBigIntegerField(help_text="in bytes")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("parsing", "Parsing"),
                            ("embedding", "Embedding"),
                            ("completed", "Completed"),
                            ("error", "Error"),
                        ],
                        default="pending",
                        max_length=16,
                    ),
                ),
                ("error", accounts.fields.SafeTextField(blank=True, null=True)),
                ("claims", models.PositiveIntegerField(default=0)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("chunks", models.PositiveIntegerField(blank=True, null=True)),
                ("lines", models.PositiveIntegerField(blank=True, null=True)),
                ("created_by_id", models.CharField(blank=True, editable=False, max_length=56, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organization"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Folder",
            fields=[
                ("id", accounts.fields.IdField(prefix="source", serialize=False)),
                ("name", accounts.fields.SafeTextField()),
                ("description", accounts.fields.SafeTextField(blank=True, null=True)),
                ("instructions", accounts.fields.SafeTextField(blank=True, null=True)),
                ("metadata", accounts.fields.SafeJSONField(blank=True, default=dict)),
                (
                    "chunk_size",
                    models.PositiveIntegerField(default=300, help_text="of a passage, in tokens of four characters"),
                ),
                ("created_by_id", models.CharField(blank=True, editable=False, max_length=56, null=True)),
                ("last_updated_by_id", models.CharField(blank=True, editable=False, max_length=56, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name="FileContent",
            fields=[
                (
                    "file",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="content",
                        serialize=False,
                        to="memory.file",
                    ),
                ),
                ("data", models.BinaryField(null=True)),
                ("text", accounts.fields.SafeTextField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name="passage",
            name="file",
            field=models.ForeignKey(
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="passages",
                to="memory.file",
            ),
        ),
        migrations.AddIndex(
            model_name="passage",
            index=models.Index(condition=models.Q(("file__isnull", False)), fields=["file"], name="passage_of_file"),
        ),
        migrations.AddField(
            model_name="folder",
            name="organization",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organization"
            ),
        ),
        migrations.AddField(
            model_name="file",
            name="folder",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="files", to="memory.folder"
            ),
        ),
        migrations.AddField(
            model_name="archive",
            name="folder",
            field=models.OneToOneField(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="archive",
                to="memory.folder",
            ),
        ),
        migrations.AddIndex(
            model_name="folder",
            index=models.Index(fields=["organization", "-created_at", "id"], name="folder_newest"),
        ),
        migrations.AddConstraint(
            model_name="folder",
            constraint=models.UniqueConstraint(fields=("organization", "name"), name="folder_name_once"),
        ),
        migrations.AddIndex(
            model_name="file",
            index=models.Index(fields=["folder", "-created_at", "id"], name="file_newest"),
        ),
        migrations.AddIndex(
            model_name="file",
            index=models.Index(
                condition=models.Q(("status__in", ["pending", "parsing", "embedding"])),
                fields=["created_at"],
                name="file_unfinished",
            ),
        ),
        migrations.AddConstraint(
            model_name="file",
            constraint=models.UniqueConstraint(fields=("folder", "name"), name="file_name_once"),
        ),
        # What is uploaded is mostly packed already, and is read as a whole.
        migrations.RunSQL(
            "ALTER TABLE memory_filecontent ALTER COLUMN data SET STORAGE EXTERNAL", migrations.RunSQL.noop
        ),
    ]
