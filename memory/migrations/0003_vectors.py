"""Vectors of passages, and the passages whose vectors are still to be made.

The database itself notes which vectors are missing, so that no way of filing a passage can forget it, and deletes them
with their passage.
"""

import django.db.models.deletion
from django.db import DatabaseError, migrations, models
from django.utils import timezone

import accounts.fields
import memory.models


def make_extension(apps, schema_editor):
    try:
        schema_editor.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except DatabaseError as error:
        raise RuntimeError(
            "Postgres has no extension pgvector, or this user may not create it. Install pgvector 0.7 or newer "
            "(Debian: postgresql-18-pgvector; Docker: pgvector/pgvector), and as a superuser: CREATE EXTENSION vector."
        ) from error


# The lock keeps a change of the archive's embedding waiting until what is filed now can be seen by it.
NOTE_MISSING = """
CREATE FUNCTION memory_note_missing_vectors() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM memory_archive WHERE id IN (SELECT archive_id FROM filed) ORDER BY id FOR SHARE;
    INSERT INTO memory_missingvector (passage_id, archive_id, generation, due_at, attempts, error)
    SELECT filed.id, filed.archive_id, generation.number, clock_timestamp(), 0, ''
      FROM filed JOIN memory_archive AS archive ON archive.id = filed.archive_id
           CROSS JOIN LATERAL (SELECT archive.generation WHERE archive.embedding IS NOT NULL
                               UNION ALL
                               SELECT archive.generation + 1 WHERE archive.coming_embedding IS NOT NULL)
                      AS generation(number);
    RETURN NULL;
END $$;
CREATE TRIGGER note_missing_vectors AFTER INSERT ON memory_passage REFERENCING NEW TABLE AS filed
   FOR EACH STATEMENT EXECUTE FUNCTION memory_note_missing_vectors();

CREATE FUNCTION memory_note_changed_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO memory_missingvector (passage_id, archive_id, generation, due_at, attempts, error)
    SELECT NEW.id, NEW.archive_id, vector.generation, clock_timestamp(), 0, ''
      FROM memory_vector AS vector WHERE vector.passage_id = NEW.id
        ON CONFLICT (passage_id, generation) DO UPDATE SET due_at = clock_timestamp();
    UPDATE memory_missingvector SET due_at = clock_timestamp() WHERE passage_id = NEW.id;
    DELETE FROM memory_vector WHERE passage_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER note_changed_text AFTER UPDATE OF text ON memory_passage FOR EACH ROW
   WHEN (OLD.text IS DISTINCT FROM NEW.text) EXECUTE FUNCTION memory_note_changed_text();
"""

FORGET_MISSING = """
DROP TRIGGER note_missing_vectors ON memory_passage;
DROP TRIGGER note_changed_text ON memory_passage;
DROP FUNCTION memory_note_missing_vectors();
DROP FUNCTION memory_note_changed_text();
"""


def with_passage(table):
    return migrations.RunSQL(
        f"""ALTER TABLE {table} ADD CONSTRAINT {table}_passage
            FOREIGN KEY (passage_id) REFERENCES memory_passage (id) ON DELETE CASCADE""",
        f"ALTER TABLE {table} DROP CONSTRAINT {table}_passage",
    )


def passage():
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name="+",
        to="memory.passage",
    )


def archive():
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name="+",
        to="memory.archive",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("memory", "0002_stored_sizes"),
    ]

    operations = [
        migrations.RunPython(make_extension, migrations.RunPython.noop),
        migrations.AddField(
            model_name="archive",
            name="embedding",
            field=accounts.fields.SafeTextField(
                blank=True, help_text="handle of the embedding model; none: words only", null=True
            ),
        ),
        migrations.AddField(
            model_name="archive",
            name="dimension",
            field=models.PositiveIntegerField(
                blank=True, help_text="numbers in a vector; none until the first one was made", null=True
            ),
        ),
        migrations.AddField(
            model_name="archive",
            name="generation",
            field=models.PositiveIntegerField(
                default=1, editable=False, help_text="counts the changes of the embedding"
            ),
        ),
        migrations.AddField(
            model_name="archive",
            name="coming_embedding",
            field=accounts.fields.SafeTextField(
                blank=True, help_text="takes over when all of its vectors are there", null=True
            ),
        ),
        migrations.AddField(
            model_name="archive",
            name="coming_dimension",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="Vector",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("generation", models.PositiveIntegerField()),
                ("value", memory.models.HalfVectorField()),
                ("archive", archive()),
                ("passage", passage()),
            ],
            options={
                "indexes": [models.Index(fields=["archive", "generation"], name="vector_of_archive")],
                "constraints": [models.UniqueConstraint(fields=("passage", "generation"), name="vector_once")],
            },
        ),
        migrations.CreateModel(
            name="MissingVector",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("generation", models.PositiveIntegerField()),
                ("due_at", models.DateTimeField(default=timezone.now)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("error", accounts.fields.SafeTextField(blank=True, default="")),
                ("archive", archive()),
                ("passage", passage()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["due_at"], name="missing_vector_due"),
                    models.Index(fields=["archive", "generation"], name="missing_vector_of_archive"),
                ],
                "constraints": [models.UniqueConstraint(fields=("passage", "generation"), name="missing_vector_once")],
            },
        ),
        with_passage("memory_vector"),
        with_passage("memory_missingvector"),
        migrations.RunSQL(NOTE_MISSING, FORGET_MISSING),
    ]
