from django.db import migrations, models

import accounts.fields


class Migration(migrations.Migration):
    dependencies = [("tools", "0004_builtin_tools")]

    operations = [
        migrations.AddField(
            model_name="tool",
            name="package_state",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "None"),
                    ("waiting", "Waiting"),
                    ("building", "Building"),
                    ("ready", "Ready"),
                    ("failed", "Failed"),
                ],
                default="",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="tool",
            name="package_error",
            field=accounts.fields.SafeTextField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="tool",
            name="package_folder",
            field=models.CharField(blank=True, default="", editable=False, max_length=32),
        ),
        migrations.AddField(
            model_name="tool",
            name="package_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="tool",
            index=models.Index(
                condition=models.Q(("package_state__in", ["waiting", "building"])),
                fields=["package_at"],
                name="tool_packages_to_build",
            ),
        ),
    ]
