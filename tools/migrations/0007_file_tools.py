"""A further type of tool."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tools", "0006_multi_agent_tools"),
    ]

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
                    ("letta_multi_agent_core", "Multi Agent"),
                    ("letta_files_core", "Files"),
                    ("letta_builtin", "Builtin"),
                    ("external_mcp", "Mcp"),
                ],
                default="custom",
                max_length=32,
            ),
        ),
    ]
