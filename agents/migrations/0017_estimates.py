from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agents", "0019_initial_messages")]

    operations = [
        migrations.AddField(
            model_name="step",
            name="estimated_tokens",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="what was thought of the prompt before the provider counted it"
            ),
        ),
        migrations.AddField(
            model_name="step",
            name="overflows",
            field=models.PositiveSmallIntegerField(db_default=0, default=0, help_text="answers that it is too long"),
        ),
    ]
