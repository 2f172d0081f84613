"""Who has made an archive or filed a passage: of older rows nobody knows."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("memory", "0013_samples"),
    ]

    operations = [
        migrations.AddField(
            model_name="archive",
            name="created_by_id",
            field=models.CharField(blank=True, editable=False, max_length=56, null=True),
        ),
        migrations.AddField(
            model_name="archive",
            name="last_updated_by_id",
            field=models.CharField(blank=True, editable=False, max_length=56, null=True),
        ),
        migrations.AddField(
            model_name="passage",
            name="created_by_id",
            field=models.CharField(editable=False, max_length=56, null=True),
        ),
    ]
