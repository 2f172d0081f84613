"""How well a worker can lock tools in."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("workers", "0001_initial")]
    operations = [
        migrations.AddField(
            "worker",
            "sandbox",
            models.TextField(
                db_default="", default="", help_text="how tools are locked in there, and what is missing for more"
            ),
        ),
    ]
