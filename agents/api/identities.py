"""Identities: whom an agent or a block belongs to outside, by the client's own key."""

from typing import Any, TypeVar

from django.contrib.postgres.expressions import ArraySubquery
from django.db import IntegrityError, transaction
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.http import HttpResponse, QueryDict
from rest_framework import serializers
from rest_framework.request import Request

from accounts.keys import Principal
from agents.api.cursors import leaving
from agents.api.pages import page
from agents.api.requests import checked_id, choice
from agents.api.scope import one, owned
from agents.api.serializers import Strings, Text, check_length
from agents.api.shapes.agents import identity_shape
from agents.api.shapes.memory import block_shape
from agents.api.shapes.values import Shape
from agents.api.views import ApiView, answer
from agents.creation import found
from agents.errors import Conflict
from agents.models import Agent, AgentIdentity, BlockIdentity, Identity
from memory.models import Block

Row = TypeVar("Row", bound=Model)

VALUE_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "json": (dict, list),
}


class PropertyFields(serializers.Serializer):
    key = Text()
    value = serializers.JSONField()
    type = serializers.ChoiceField(choices=tuple(VALUE_TYPES))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        # In the change of an identity no field is asked for; but a property is whole, or none.
        if missing := [name for name in self.fields if name not in attrs]:
            raise serializers.ValidationError(dict.fromkeys(missing, "This field is required."), "required")
        value, kind = attrs["value"], attrs["type"]
        if not isinstance(value, VALUE_TYPES[kind]) or (kind == "number" and isinstance(value, bool)):
            raise serializers.ValidationError({"value": f"Should be a {kind}"})
        return attrs


class IdentityFields(serializers.Serializer):
    """What a client may say of an identity. `agent_ids` and `block_ids` are the whole new sets."""

    identifier_key = Text(allow_blank=False)
    name = Text()
    identity_type = serializers.ChoiceField(choices=Identity.Type.choices)
    project_id = Text(required=False, allow_null=True)
    properties = PropertyFields(many=True, required=False, allow_null=True)
    agent_ids = Strings(required=False, allow_null=True)
    block_ids = Strings(required=False, allow_null=True)

    def validate_properties(self, given: Any) -> Any:
        check_length(given)
        return given

    def columns(self) -> dict[str, Any]:
        """The validated fields as columns of Identity; what is null stays as it is."""
        given = {name: value for name, value in self.validated_data.items() if value is not None}
        if "properties" in given:
            given["properties"] = [dict(item) for item in given["properties"]]
        return {name: value for name, value in given.items() if name not in ("agent_ids", "block_ids")}


class Identities(ApiView):
    def get(self, request: Request) -> HttpResponse:
        rows = _filtered(owned(self.principal(request), Identity), request)
        return answer([identity_shape(row) for row in page(with_belongings(rows), request.query_params, limit=50)])

    def post(self, request: Request) -> HttpResponse:
        return answer(_saved(self.principal(request), Identity(), _fields(request)))

    def put(self, request: Request) -> HttpResponse:
        """The identity of this key, made or changed."""
        principal, fields = self.principal(request), _fields(request)
        key = fields.validated_data["identifier_key"]
        there = owned(principal, Identity).filter(identifier_key=key).first()
        return answer(_saved(principal, there or Identity(), fields))


class IdentityCount(ApiView):
    def get(self, request: Request) -> HttpResponse:
        return answer(_filtered(owned(self.principal(request), Identity), request).count())


class OneIdentity(ApiView):
    def get(self, request: Request, identity_id: str) -> HttpResponse:
        return answer(_shape(one(self.principal(request), Identity, identity_id)))

    def patch(self, request: Request, identity_id: str) -> HttpResponse:
        principal = self.principal(request)
        return answer(_saved(principal, one(principal, Identity, identity_id), _fields(request, partial=True)))

    def delete(self, request: Request, identity_id: str) -> HttpResponse:
        """What belonged to it stays."""
        identity = one(self.principal(request), Identity, identity_id)
        with leaving(identity):
            identity.delete()
        return answer(None)


class IdentityProperties(ApiView):
    def put(self, request: Request, identity_id: str) -> HttpResponse:
        """Each by its key: added, or put in the place of the older one. The body is the list."""
        principal = self.principal(request)
        with transaction.atomic():
            identity = one(principal, Identity, identity_id, owned(principal, Identity).select_for_update())
            fields = PropertyFields(data=request.data, many=True)
            fields.is_valid(raise_exception=True)
            kept = {item["key"]: item for item in [*identity.properties, *map(dict, fields.validated_data)]}
            identity.properties = list(kept.values())
            identity.save(update_fields=["properties", "updated_at"])
        return answer(_shape(identity))


class IdentityBlocks(ApiView):
    def get(self, request: Request, identity_id: str) -> HttpResponse:
        identity = one(self.principal(request), Identity, identity_id)
        return answer([block_shape(block) for block in page(identity.blocks.all(), request.query_params)])


class AttachIdentity(ApiView):
    def patch(self, request: Request, agent_id: str, identity_id: str) -> HttpResponse:
        principal = self.principal(request)
        agent, identity = one(principal, Agent, agent_id), one(principal, Identity, identity_id)
        agent.identities.add(identity)
        return answer(None)


class DetachIdentity(ApiView):
    def patch(self, request: Request, agent_id: str, identity_id: str) -> HttpResponse:
        principal = self.principal(request)
        agent, identity = one(principal, Agent, agent_id), one(principal, Identity, identity_id)
        agent.identities.remove(identity)
        return answer(None)


def with_belongings(rows: QuerySet[Identity]) -> QuerySet[Identity]:
    """Each with `agents_of_it` and `blocks_of_it`, ids in the order of attaching."""

    def ids(link: Any, column: str) -> ArraySubquery:
        return ArraySubquery(link.objects.filter(identity=OuterRef("pk")).order_by("id").values(column))

    return rows.annotate(agents_of_it=ids(AgentIdentity, "agent_id"), blocks_of_it=ids(BlockIdentity, "block_id"))


def _saved(principal: Principal, identity: Identity, fields: IdentityFields) -> Shape:
    given = fields.validated_data
    identity.organization_id = principal.organization_id
    for name, value in fields.columns().items():
        setattr(identity, name, value)
    try:
        with transaction.atomic():
            identity.save()
            for name, model in (("agent_ids", Agent), ("block_ids", Block)):
                if given.get(name) is not None:
                    rows = found(model, principal.organization_id, given[name], model.__name__)
                    (identity.agents if model is Agent else identity.blocks).set(rows)
    except IntegrityError:
        raise Conflict(
            f"There is an identity with the identifier_key {identity.identifier_key!r}. PUT changes it."
        ) from None
    return _shape(identity)


def _shape(identity: Identity) -> Shape:
    return identity_shape(with_belongings(Identity.objects.all()).get(id=identity.id))


def _fields(request: Request, partial: bool = False) -> IdentityFields:
    fields = IdentityFields(data=request.data, partial=partial)
    fields.is_valid(raise_exception=True)
    return fields


def _filtered(rows: QuerySet[Identity], request: Request) -> QuerySet[Identity]:
    query = request.query_params
    choice(query, "identity_type", tuple(Identity.Type.values))
    for column in ("identifier_key", "identity_type", "name", "project_id"):
        if value := query.get(column):
            rows = rows.filter(**{column: value})
    return rows


def of_identities(rows: QuerySet[Row], links: QuerySet[Any], query: QueryDict) -> QuerySet[Row]:
    """Of the rows, those of one identity, by its id; those of any of several, by their keys. `links` are of a row."""
    if id := query.get("identity_id"):
        rows = rows.filter(Exists(links.filter(identity_id=checked_id("identity", id, ("query", "identity_id")))))
    if keys := query.getlist("identifier_keys"):
        rows = rows.filter(Exists(links.filter(identity__identifier_key__in=keys)))
    return rows
