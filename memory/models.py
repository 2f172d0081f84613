"""Core memory blocks, and the archives and passages of archival memory."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models

from accounts.fields import IdField, SafeJSONField, SafeTextField
from accounts.models import Organization
from memory.core import DEFAULT_LIMIT


class Block(models.Model):
    """A labelled piece of core memory: always in the context window, edited by the agent and by people.

    `limit` counts characters of `value`. `version` grows by one with every change of the value.
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
    created_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    last_updated_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["organization", "-created_at", "id"], name="block_newest")]

    def __str__(self) -> str:
        return self.label


class Archive(models.Model):
    """A store of passages, attached to one agent or to several."""

    id = IdField("archive")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    name = SafeTextField()
    description = SafeTextField(null=True, blank=True)
    metadata = SafeJSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name


class Passage(models.Model):
    """One piece of archival memory. `terms` is kept beside the text, so that a search never parses it again."""

    id = IdField("passage")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    archive = models.ForeignKey(Archive, models.CASCADE, related_name="passages")
    text = SafeTextField()
    tags = ArrayField(SafeTextField(), default=list, blank=True)
    metadata = SafeJSONField(default=dict, blank=True)
    created_at = models.DateTimeField()
    terms = models.GeneratedField(
        expression=SearchVector("text", config="english"), output_field=SearchVectorField(), db_persist=True
    )

    class Meta:
        indexes = [
            models.Index(fields=["archive", "created_at", "id"], name="passage_in_order"),
            GinIndex(fields=["terms"], name="passage_terms"),
        ]

    def __str__(self) -> str:
        return self.text[:60]
