import django.db.models.deletion
from django.db import migrations, models

# All of an archive is of one organization. A planner that does not know it expects far too few rows, and sorts all.
OWNER = "CREATE STATISTICS memory_passage_owner (dependencies) ON organization_id, archive_id FROM memory_passage"


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
        migrations.RunSQL(OWNER, "DROP STATISTICS memory_passage_owner"),
    ]
