from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0016_message_vectors"),
    ]

    operations = [
        migrations.AddField(
            model_name="step",
            name="summary_completion_tokens",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="step",
            name="summary_prompt_tokens",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="of the calls that summarised the context"
            ),
        ),
    ]
