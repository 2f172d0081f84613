from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tools", "0003_mcp")]

    operations = [
        migrations.AlterField(
            model_name="tool",
            name="tool_type",
            field=models.CharField(
                choices=[
                    ("custom", "Custom"),
                    ("letta_core", "Core"),
                    ("letta_memory_core", "Memory"),
                    ("letta_sleeptime_core", "Sleeptime"),
                    ("letta_builtin", "Builtin"),
                    ("external_mcp", "Mcp"),
                ],
                default="custom",
                max_length=32,
            ),
        ),
    ]
