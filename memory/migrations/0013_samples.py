import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("memory", "0011_folders"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="passage",
            index=models.Index(fields=["archive", "id"], name="passage_sample"),
        ),
        migrations.AlterField(
            model_name="passage",
            name="archive",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="passages",
                to="memory.archive",
            ),
        ),
        migrations.RemoveIndex(model_name="passage", name="passage_in_order"),
        migrations.AddIndex(
            model_name="passage",
            index=models.Index(fields=["archive", "created_at", "id"], name="passage_in_order"),
        ),
    ]
