from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("memory", "0003_vectors"),
    ]

    operations = [
        migrations.AddField(
            model_name="passage",
            name="digest",
            field=models.CharField(default="", editable=False, max_length=32),
        ),
        migrations.AddIndex(
            model_name="passage",
            index=models.Index(fields=["archive", "digest"], name="passage_digest"),
        ),
    ]
