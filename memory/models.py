"""Core memory blocks, and the archives and passages of archival memory."""

from collections.abc import Mapping
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models.functions import Length
from django.utils import timezone

from accounts.fields import IdField, SafeJSONField, SafeTextField
from accounts.models import Organization
from memory.core import DEFAULT_LIMIT


class Block(models.Model):
    """A labelled piece of core memory: always in the context window, edited by the agent and by people.

    `limit` counts characters of `value`. `version` grows by one with every change of the value: the database counts,
    and keeps the value as a BlockVersion (migration 0010).

    author_id  who gives it this value: set it with the value; the database moves it into the version
    """

    id = IdField("block")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    label = SafeTextField()
    value = SafeTextField(blank=True, default="")
    limit = models.PositiveIntegerField(default=DEFAULT_LIMIT)
    description = SafeTextField(null=True, blank=True)
    read_only = models.BooleanField(default=False)
    hidden = models.BooleanField(null=True, blank=True)
    tags = ArrayField(SafeTextField(), default=list, blank=True)
    metadata = SafeJSONField(default=dict, blank=True)
    labels_of_origin = SafeJSONField(
        default=dict, blank=True, help_text="template and project ids that clients keep here"
    )
    version = models.PositiveBigIntegerField(default=1, editable=False)
    author_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    created_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    last_updated_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["organization", "-created_at", "id"], name="block_newest")]

    def __str__(self) -> str:
        return self.label

    def give(self, columns: Mapping[str, Any]) -> bool:
        """Set these columns, and tell whether that is news. Labels of origin are added; a null takes one away."""
        news = dict(columns)
        if "labels_of_origin" in news:
            labels = self.labels_of_origin | news["labels_of_origin"]
            news["labels_of_origin"] = {name: label for name, label in labels.items() if label not in (None, False)}
        news = {name: value for name, value in news.items() if getattr(self, name) != value}
        for name, value in news.items():
            setattr(self, name, value)
        return bool(news)


def _noted(to: type[models.Model]) -> models.ForeignKey:
    """A reference whose rows the database itself makes and deletes (migrations 0003 and 0010)."""
    return models.ForeignKey(to, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")


class BlockVersion(models.Model):
    """A value that a block was given. `author_id`: the step, the user or the import; none if nobody known."""

    id = IdField("block_version")
    organization = _noted(Organization)
    block = _noted(Block)
    number = models.PositiveBigIntegerField()
    value = SafeTextField()
    author_id = models.CharField(max_length=56, null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["block", "number"], name="block_version_once")]

    def __str__(self) -> str:
        return f"version {self.number}"

    @property
    def author_kind(self) -> str | None:
        """`step`, `user` or `import`."""
        return self.author_id.split("-")[0] if self.author_id else None


class HalfVectorField(models.Field):
    """pgvector's halfvec, of any length. Vectors are read and compared in SQL alone."""

    def db_type(self, connection: Any) -> str:
        return "halfvec"


class Archive(models.Model):
    """A store of passages, attached to one agent or to several; or what the files of one folder are found by.

    Its passages have vectors if it has an `embedding`. When that is changed, the vectors of the next generation are
    made beside those of this one, which serve until all are there (memory/vectors.py).
    """

    id = IdField("archive")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    folder = models.OneToOneField(
        "Folder", models.CASCADE, null=True, blank=True, editable=False, related_name="archive"
    )
    name = SafeTextField()
    description = SafeTextField(null=True, blank=True)
    metadata = SafeJSONField(default=dict, blank=True)
    embedding = SafeTextField(null=True, blank=True, help_text="handle of the embedding model; none: words only")
    dimension = models.PositiveIntegerField(
        null=True, blank=True, help_text="numbers in a vector; none until the first one was made"
    )
    generation = models.PositiveIntegerField(default=1, editable=False, help_text="counts the changes of the embedding")
    coming_embedding = SafeTextField(null=True, blank=True, help_text="takes over when all of its vectors are there")
    coming_dimension = models.PositiveIntegerField(null=True, blank=True)
    created_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    last_updated_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name


class Folder(models.Model):
    """Files under one name, attached to agents. Its archive holds the passages of its files, and their embedding."""

    id = IdField("source")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    name = SafeTextField()
    description = SafeTextField(null=True, blank=True)
    instructions = SafeTextField(null=True, blank=True)
    metadata = SafeJSONField(default=dict, blank=True)
    chunk_size = models.PositiveIntegerField(default=300, help_text="of a passage, in tokens of four characters")
    created_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    last_updated_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="folder_name_once")]
        indexes = [models.Index(fields=["organization", "-created_at", "id"], name="folder_newest")]

    def __str__(self) -> str:
        return self.name


class File(models.Model):
    """A file of a folder, and how far its reading has come: memory/files.py tells the states.

    kind         what it is read as, tools/reading
    claims       counts the workers that took it: the fencing token of its reading
    lease_until  when another worker may take it, while it is being read
    error        why it cannot be read
    chunks       how many passages its text makes
    lines        of its text
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        PARSING = "parsing"
        EMBEDDING = "embedding"
        COMPLETED = "completed"
        ERROR = "error"

    id = IdField("file")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    folder = models.ForeignKey(Folder, models.CASCADE, related_name="files")
    name = SafeTextField()
    original_name = SafeTextField()
    media_type = SafeTextField(blank=True, default="")
    kind = models.CharField(max_length=8)
    size = models.PositiveBigIntegerField(help_text="in bytes")
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    error = SafeTextField(null=True, blank=True)
    claims = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    chunks = models.PositiveIntegerField(null=True, blank=True)
    lines = models.PositiveIntegerField(null=True, blank=True)
    created_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["folder", "name"], name="file_name_once")]
        indexes = [
            models.Index(fields=["folder", "-created_at", "id"], name="file_newest"),
            models.Index(
                fields=["created_at"],
                condition=models.Q(status__in=["pending", "parsing", "embedding"]),
                name="file_unfinished",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class FileContent(models.Model):
    """What is large of a file, in a row of its own: the bytes until there is a text, then the text."""

    file = models.OneToOneField(File, models.CASCADE, primary_key=True, related_name="content")
    data = models.BinaryField(null=True)
    text = SafeTextField(null=True)


class Passage(models.Model):
    """One piece of archival memory, or of a file; then `metadata` tells its lines. An agent or a user has filed it.

    `terms` and `size` are kept beside the text, so that a search never reads it.
    """

    id = IdField("passage")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    archive = models.ForeignKey(Archive, models.CASCADE, db_index=False, related_name="passages")
    file = models.ForeignKey(File, models.CASCADE, null=True, editable=False, db_index=False, related_name="passages")
    text = SafeTextField()
    tags = ArrayField(SafeTextField(), default=list, blank=True)
    metadata = SafeJSONField(default=dict, blank=True)
    created_by_id = models.CharField(max_length=56, null=True, editable=False)
    created_at = models.DateTimeField()
    terms = models.GeneratedField(
        expression=SearchVector("text", config="english"), output_field=SearchVectorField(), db_persist=True
    )
    digest = models.CharField(max_length=32, default="", editable=False)
    size = models.GeneratedField(expression=Length("text"), output_field=models.IntegerField(), db_persist=True)

    class Meta:
        indexes = [
            models.Index(fields=["archive", "created_at", "id"], name="passage_in_order"),
            # Ids are random, so the first ones are the sample that tells how common words are.
            models.Index(fields=["archive", "id"], name="passage_sample"),
            models.Index(fields=["archive", "digest"], name="passage_digest"),
            models.Index(fields=["file"], condition=models.Q(file__isnull=False), name="passage_of_file"),
            GinIndex(fields=["terms"], name="passage_terms"),
        ]

    def __str__(self) -> str:
        return self.text[:60]


class Vector(models.Model):
    """Where a passage lies in the space of its archive's embedding."""

    passage = _noted(Passage)
    archive = _noted(Archive)
    generation = models.PositiveIntegerField()
    value = HalfVectorField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["passage", "generation"], name="vector_once")]
        indexes = [models.Index(fields=["archive", "generation"], name="vector_of_archive")]


class MissingVector(models.Model):
    """A passage whose vector is still to be made. The row goes when it is there.

    `due_at` is when it may be tried (again); a worker that makes it sets it a little ahead, which is its claim.
    """

    passage = _noted(Passage)
    archive = _noted(Archive)
    generation = models.PositiveIntegerField()
    due_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    error = SafeTextField(blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["passage", "generation"], name="missing_vector_once")]
        indexes = [
            models.Index(fields=["due_at"], name="missing_vector_due"),
            models.Index(fields=["archive", "generation"], name="missing_vector_of_archive"),
        ]
