"""drf-spectacular, told by our table instead of decorators on the views. Imported when the document is built."""

from collections.abc import Callable
from typing import Any, Literal

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.generators import EndpointEnumerator, SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.api.openapi import errors
from agents.api.openapi.notation import Schema, ref, schema_of
from agents.api.openapi.operations import Operation, methods_at, operation_at, tag_of
from agents.api.openapi.routes import Route, routes
from memory.core import LABEL

EVENT_STREAM = "text/event-stream"
Endpoint = tuple[str, str, str, Callable[..., Any]]


class Endpoints(EndpointEnumerator):
    """Also of views that are functions; and not of what is not served, which is listed apart."""

    def get_api_endpoints(self, patterns: Any = None, prefix: str = "") -> list[Endpoint]:
        return [
            (route.path, route.regex, method, _class_view(route))
            for route in routes()
            if route.refusal is None
            for method in route.methods or methods_at(route.path)
        ]


class Generator(SchemaGenerator):
    endpoint_inspector_cls = Endpoints


class TableSchema(AutoSchema):
    """What the table says of an operation; what it does not know is left out, and a test finds it."""

    method_mapping = AutoSchema.method_mapping

    @property
    def said(self) -> Operation:
        found = operation_at(self.method, self.path)
        assert found, f"{self.method} {self.path} has no line in the table"
        return found

    def is_excluded(self) -> bool:
        return operation_at(self.method, self.path) is None

    def get_operation(self, *place: Any) -> Schema | None:
        operation = super().get_operation(*place)
        if operation is None:
            return None
        if "requestBody" in operation:
            operation["requestBody"]["required"] = self.said.body_is_needed
        statuses = _statuses(self.said, self.path, self.method)
        refusals = errors.of_runs(statuses) if self.said.of_run else errors.shared(statuses)
        operation["responses"] = dict(sorted((operation["responses"] | refusals).items()))
        return operation

    def get_operation_id(self) -> str:
        return self.said.id

    def get_summary(self) -> str:
        return self.said.summary

    def get_description(self) -> str:
        return self.said.description

    def get_tags(self) -> list[str]:
        return [tag_of(self.said)]

    def get_auth(self) -> list[Schema]:
        return [] if self.said.is_public else [{"key": []}]

    def get_override_parameters(self) -> list[Any]:
        path = [
            _parameter(name, _PATH_TYPES.get(name, f"{name.removesuffix('_id')}-id"), "path")
            for name in _names(self.path)
        ]
        return path + [_parameter(name, notation, "query") for name, notation in self.said.query.items()]

    def get_request_serializer(self) -> Any:
        body = self.said.body
        return {self.said.media: ref(body) if isinstance(body, str) else body} if body else None

    def get_response_serializers(self) -> Any:
        if not self.said.returns and not self.said.streams:
            return {204: OpenApiResponse(description="Done")}
        made = {}
        if self.said.returns:
            made[200, errors.JSON] = OpenApiResponse(schema_of(self.said.returns), description="Done")
        if self.said.streams:
            made[200, EVENT_STREAM] = OpenApiResponse(ref("ServerSentEvent"), description="Done")
        return made


class ObjectField(OpenApiSerializerFieldExtension):
    target_class = "agents.api.serializers.Object"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> Schema:
        return {"type": "object"}


class LabelField(OpenApiSerializerFieldExtension):
    target_class = "agents.api.serializers.Label"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> Schema:
        return {"type": "string", "pattern": f"^{LABEL.pattern}$"}


class RulesField(OpenApiSerializerFieldExtension):
    target_class = "agents.api.serializers.Rules"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> Schema:
        return {"type": "array", "items": ref("ToolRule")}


_PATH_TYPES = {
    "label": "text - may have slashes",
    "tool_name": "text",
    "conversation_id": "text - `conv-<uuid4>`; for an agent's own thread its id, or `default` with `agent_id`",
}


def _names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def _parameter(name: str, notation: str, place: Literal["path", "query"]) -> OpenApiParameter:
    schema = schema_of(notation)
    return OpenApiParameter(
        name=name.removesuffix("?"),
        type=schema,
        location=place,
        required=not name.endswith("?"),
        description=schema.pop("description", ""),
    )


def _statuses(said: Operation, path: str, method: str) -> tuple[int, ...]:
    found = {405, *said.errors}
    found |= set() if said.is_public else {401, 422, 500, 503}
    found |= {404} if "{" in path else set()
    # Whether a body is asked for or not: what is not JSON is refused, and what is far too large.
    found |= {413, 415} if method != "GET" else set()
    return tuple(sorted(found))


def _class_view(route: Route) -> Callable[..., Any]:
    """The view itself, or for a function a class that stands in for it."""
    if hasattr(route.view, "cls"):
        return route.view

    def described(self: APIView, request: Request) -> Response:
        raise NotImplementedError

    methods = {method.lower(): described for method in methods_at(route.path)}
    return type("Function", (APIView,), methods).as_view()  # type: ignore[attr-defined]
