"""The admin of organizations, users and API keys, and what every admin here shares: whose rows somebody may see."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AdminTextInputWidget
from django.contrib.auth.admin import UserAdmin
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import CASCADE, QuerySet
from django.forms import ModelForm, Textarea
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts.fields import SafeJSONField, SafeTextField
from accounts.forms import JSON, Prose
from accounts.keys import issue_key
from accounts.models import ApiKey, Organization, Purge, Retention, User
from accounts.words import counted

admin.site.site_header = "Perdure"
admin.site.site_title = "Perdure"
admin.site.index_title = "What this server keeps"
admin.site.site_url = None  # the front page only leads back here

ONE_LINE = ("name", "label", "model", "embedding")
"""Text columns that are edited in one line."""

LONG = ("system", "value", "text")
"""Text columns that are read and edited at length."""


def person(request: HttpRequest) -> Any:
    """Who uses the admin; it lets nobody in who is not a User."""
    return request.user


def seen_by(user: Any, rows: QuerySet[Any], path: str = "organization") -> QuerySet[Any]:
    """The rows that this user may see; `path` leads from a row to its organization."""
    if user.is_superuser:
        return rows
    return rows.filter(**{path: user.organization_id}) if user.organization_id else rows.none()


class OfOrganization:
    """Before ModelAdmin or an inline: staff see, choose and make the rows of their organization, superusers all rows.

    `organization_path` leads from a row to its organization. Once a row exists it stays with its organization.
    """

    class Media:
        css = {"all": ("agents/admin.css",)}

    model: Any
    organization_path = "organization"

    formfield_overrides = {
        SafeTextField: {"form_class": Prose, "widget": Textarea(attrs={"rows": 3, "cols": 80})},
        SafeJSONField: {"form_class": JSON},
        ArrayField: {
            "delimiter": "\n",
            "widget": Textarea(attrs={"rows": 3, "cols": 40}),
            "help_text": "One per line.",
        },
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return seen_by(request.user, super().get_queryset(request), self.organization_path)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fixed = ("organization",) if obj is not None and self.organization_path == "organization" else ()
        return (*super().get_readonly_fields(request, obj), *fixed)

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        # The filter would list the names of all organizations.
        return [
            item for item in super().get_list_filter(request) if item != "organization" or request.user.is_superuser
        ]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, SafeTextField):
            if db_field.null:
                kwargs["empty_value"] = None
            if db_field.name in ONE_LINE:
                kwargs |= {"widget": AdminTextInputWidget(), "form_class": None}
            if db_field.name in LONG:
                kwargs["widget"] = Textarea(attrs={"rows": 16, "cols": 100})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        target = db_field.remote_field.model
        path = organization_path(target)
        if path is not None:
            kwargs["queryset"] = seen_by(request.user, target._default_manager.all(), path)
        if target is Organization:
            kwargs.setdefault("initial", person(request).organization_id)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change and not request.user.is_superuser and self.organization_path == "organization":
            obj.organization_id = person(request).organization_id
        super().save_model(request, obj, form, change)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """What goes along is counted, not listed: a conversation may have a million messages.

        Ledger rows cannot be deleted one by one, but they go with what they belong to.
        """
        return [str(obj) for obj in objs], dict(_dependents(self.model, list(objs))), set(), []


def organization_path(model: type[models.Model]) -> str | None:
    """How a row of this model leads to its organization; None if it belongs to none."""
    if model is Organization:
        return "pk"
    return "organization" if any(field.name == "organization" for field in model._meta.fields) else None


def _dependents(model: type[models.Model], objs: list[Any]) -> Iterable[tuple[str, int]]:
    yield str(model._meta.verbose_name_plural), len(objs)
    relations: list[Any] = model._meta.get_fields(include_hidden=True)
    for relation in relations:
        if getattr(relation, "on_delete", None) is CASCADE and relation.auto_created:
            rows = relation.related_model._default_manager.filter(**{f"{relation.field.name}__in": objs})
            if count := rows.count():
                yield str(relation.related_model._meta.verbose_name_plural), count


class ReadOnly:
    """Before ModelAdmin or an inline: rows of the ledger are looked at; what can be done with them are actions."""

    opts: Any
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Asked by actions: who may change such rows, if they could be changed, may act on them."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")


@admin.register(Organization)
class OrganizationAdmin(OfOrganization, admin.ModelAdmin):
    organization_path = "pk"
    list_display = ("name", "id", "created_at")
    search_fields = ("name", "id__exact")
    readonly_fields = ("id", "created_at")
    fields = ("name", "id", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser


@admin.register(Retention)
class RetentionAdmin(OfOrganization, admin.ModelAdmin):
    list_display = ("organization", "runs_days", "messages_days", "block_versions_days", "due_at")
    list_select_related = ("organization",)
    readonly_fields = ("due_at",)
    fields = ("organization", "runs_days", "messages_days", "block_versions_days", "due_at")


@admin.register(Purge)
class PurgeAdmin(ReadOnly, OfOrganization, admin.ModelAdmin):
    """What was deleted because of its age."""

    list_display = ("kind", "organization", "told", "before", "began_at", "ended_at")
    list_filter = ("kind", "began_at", "organization")
    list_select_related = ("organization",)
    ordering = ("-began_at",)
    fields = ("organization", "kind", "told", "before", "began_at", "ended_at", "position", "id")

    @admin.display(description="deleted")
    def told(self, purge: Purge) -> str:
        return counted(purge.deleted)


@admin.register(User)
class PersonAdmin(OfOrganization, UserAdmin):
    """Django's, with the organization. Only superusers give rights, and only they touch other superusers."""

    list_display = ("username", "email", "organization", "is_staff", "is_superuser", "is_active", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active", "organization")
    list_select_related = ("organization",)
    search_fields = ("username", "first_name", "last_name", "email", "id__exact")
    fieldsets = (
        (None, {"fields": ("username", "password", "organization")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {"classes": ("wide",), "fields": ("username", "organization", "usable_password", "password1", "password2")},
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        dates = ("last_login", "date_joined")
        if request.user.is_superuser:
            return dates
        return (*dates, "is_staff", "is_superuser", "groups", "user_permissions", *(("organization",) if obj else ()))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request.user, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request.user, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        deleted, counts, lacking, _ = super().get_deleted_objects(objs, request)
        return deleted, counts, lacking, [str(user) for user in objs if not _may_touch(request.user, user)]


def _may_touch(user: Any, other: Any) -> bool:
    return other is None or user.is_superuser or not other.is_superuser


class ApiKeyForm(ModelForm):
    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        user, organization = given.get("user"), given.get("organization")
        if user and organization and user.organization_id != organization.pk:
            raise ValidationError({"user": f"This user does not belong to {organization}."})
        return given


@admin.register(ApiKey)
class ApiKeyAdmin(OfOrganization, admin.ModelAdmin):
    """The whole key is on the page that answers its creation, and nowhere else ever."""

    form = ApiKeyForm
    list_display = ("name", "shown", "organization", "user", "state", "created_at", "expires_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "organization")
    list_select_related = ("organization", "user")
    search_fields = ("name", "prefix", "last4")
    autocomplete_fields = ("user",)
    ordering = ("-created_at",)
    actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("organization", "user", "name", "expires_at")
        return ("name", "expires_at", "organization", "user", "shown", "state", "created_at", "revoked_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("organization", "user", "shown", "state", "created_at", "revoked_at") if obj else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        key, text = issue_key(obj.organization, name=obj.name, user=obj.user, expires_at=obj.expires_at)
        obj.__dict__.update(key.__dict__)
        obj.text = text

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        # Rendered here: a message on the next page would travel through a cookie or the table of sessions.
        context = {**self.admin_site.each_context(request), "opts": self.opts, "key": obj, "title": "New API key"}
        return TemplateResponse(request, "admin/accounts/apikey/issued.html", context)

    @admin.display(description="key")
    def shown(self, key: ApiKey) -> str:
        return f"pdr_{key.prefix}_…{key.last4}"

    @admin.display(description="state")
    def state(self, key: ApiKey) -> str:
        if key.revoked_at:
            return "revoked"
        return "expired" if key.expires_at and key.expires_at <= timezone.now() else "valid"

    @admin.action(description="Revoke selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        count = keys.filter(revoked_at=None).update(revoked_at=timezone.now())
        self.message_user(
            request, f"{count} revoked: requests with {'it' if count == 1 else 'them'} get a 401 from now on."
        )
