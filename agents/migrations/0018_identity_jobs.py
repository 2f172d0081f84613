import django.db.models.deletion
from django.db import migrations, models

import accounts.fields


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_retention"),
        ("agents", "0017_estimates"),
    ]

    operations = [
        migrations.CreateModel(
            name="IdentityJob",
            fields=[
                ("id", accounts.fields.IdField(prefix="job", serialize=False)),
                ("identity_id", models.CharField(max_length=56)),
                ("kind", models.CharField(choices=[("export", "Export"), ("erase", "Erase")], max_length=8)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("expired", "Expired"),
                        ],
                        default="queued",
                        max_length=16,
                    ),
                ),
                ("stage", models.CharField(default="", max_length=16)),
                ("position", accounts.fields.SafeJSONField(default=dict)),
                ("report", accounts.fields.SafeJSONField(default=dict)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("error", accounts.fields.SafeTextField(null=True)),
                ("not_before", models.DateTimeField(null=True)),
                ("created_by_id", models.CharField(max_length=56, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("completed_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organization"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ExportPiece",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("rows", accounts.fields.SafeJSONField()),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="pieces", to="agents.identityjob"
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="identityjob",
            index=models.Index(
                condition=models.Q(("status__in", ["queued", "running"])),
                fields=["created_at"],
                name="identity_job_open",
            ),
        ),
        migrations.AddIndex(
            model_name="identityjob",
            index=models.Index(
                condition=models.Q(("status", "completed")), fields=["expires_at"], name="identity_job_expires"
            ),
        ),
        migrations.AddIndex(
            model_name="identityjob",
            index=models.Index(fields=["organization", "-created_at", "id"], name="identity_job_newest"),
        ),
        migrations.AddIndex(
            model_name="identityjob",
            index=models.Index(fields=["identity_id", "-created_at"], name="identity_job_of"),
        ),
        migrations.AddConstraint(
            model_name="identityjob",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["queued", "running"])),
                fields=("identity_id",),
                name="one_open_identity_job",
            ),
        ),
        migrations.AddConstraint(
            model_name="exportpiece",
            constraint=models.UniqueConstraint(fields=("job", "number"), name="export_piece_once"),
        ),
    ]
