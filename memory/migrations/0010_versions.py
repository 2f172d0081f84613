"""The versions of blocks. The database itself writes them, so that no way of changing a block can forget it.

The author comes with the statement that gives the value, and is taken out of the row again: a change by hand that names
nobody is nobody's.
"""

import django.db.models.deletion
from django.db import migrations, models

import accounts.fields

WRITE = """
CREATE FUNCTION memory_write_block_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.value IS DISTINCT FROM OLD.value THEN
        IF TG_OP = 'UPDATE' THEN
            NEW.version := OLD.version + 1;
        END IF;
        INSERT INTO memory_blockversion (id, organization_id, block_id, number, value, author_id, created_at)
        VALUES ('block_version-' || gen_random_uuid(), NEW.organization_id, NEW.id, NEW.version, NEW.value,
                NEW.author_id, clock_timestamp());
    END IF;
    NEW.author_id := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER write_version BEFORE INSERT OR UPDATE ON memory_block FOR EACH ROW
   EXECUTE FUNCTION memory_write_block_version();
"""

FORGET = """
DROP TRIGGER write_version ON memory_block;
DROP FUNCTION memory_write_block_version();
"""

# Deferred: a new block's first version is written before the block itself.
WITH_BLOCK = """
ALTER TABLE memory_blockversion ADD CONSTRAINT memory_blockversion_block
    FOREIGN KEY (block_id) REFERENCES memory_block (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
"""

# What older blocks hold now is all that is known of them; of their authors, only the users are.
FIRST = """
INSERT INTO memory_blockversion (id, organization_id, block_id, number, value, author_id, created_at)
SELECT 'block_version-' || gen_random_uuid(), organization_id, id, version, value,
       CASE WHEN last_updated_by_id LIKE 'user-%' THEN last_updated_by_id END, updated_at
  FROM memory_block
"""


def noted(to):
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name="+",
        to=to,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("memory", "0004_digests"),
    ]

    operations = [
        migrations.AddField(
            model_name="block",
            name="author_id",
            field=models.CharField(blank=True, editable=False, max_length=56, null=True),
        ),
        migrations.CreateModel(
            name="BlockVersion",
            fields=[
                ("id", accounts.fields.IdField(prefix="block_version", serialize=False)),
                ("number", models.PositiveBigIntegerField()),
                ("value", accounts.fields.SafeTextField()),
                ("author_id", models.CharField(max_length=56, null=True)),
                ("created_at", models.DateTimeField()),
                ("organization", noted("accounts.organization")),
                ("block", noted("memory.block")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("block", "number"), name="block_version_once")],
            },
        ),
        migrations.RunSQL(WITH_BLOCK, "ALTER TABLE memory_blockversion DROP CONSTRAINT memory_blockversion_block"),
        migrations.RunSQL(WRITE, FORGET),
        migrations.RunSQL(FIRST, migrations.RunSQL.noop),
    ]
