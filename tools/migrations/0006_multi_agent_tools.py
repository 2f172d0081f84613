"""A further type of tool."""

from django.db import migrations, models

TYPES = [
    ("custom", "Custom"),
    ("letta_core", "Core"),
    ("letta_memory_core", "Memory"),
    ("letta_sleeptime_core", "Sleeptime"),
    ("letta_multi_agent_core", "Multi Agent"),
    ("letta_builtin", "Builtin"),
    ("external_mcp", "Mcp"),
]


class Migration(migrations.Migration):
    dependencies = [("tools", "0005_packages")]
    operations = [
        migrations.AlterField("tool", "tool_type", models.CharField(choices=TYPES, default="custom", max_length=32)),
    ]
