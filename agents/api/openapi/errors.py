"""How the API says that something is wrong, by refusals.py: always JSON, always with a `detail`."""

from agents.api.openapi.notation import Fields, Schema, object_of, ref

JSON = "application/json"

OBJECTS: dict[str, tuple[str, Fields]] = {
    "Error": ("What is wrong, and what to do.", {"detail": "text", "error_id?": "text - of the line in the log"}),
    "Conflict": ("What stands in the way.", {"detail": "text | PendingApproval"}),
    "PendingApproval": (
        "The conversation waits for an answer to tool calls.",
        {"code": "'PENDING_APPROVAL'", "message": "text", "pending_request_id": "message-id"},
    ),
    "Invalid": ("Every fault, with its place.", {"detail": "[Problem] | text"}),
    "Problem": (
        "A fault.",
        {"loc": "[text | int] - where: body, query or path, then the names", "msg": "text", "type": "text"},
    ),
    "ModelError": ("The run has failed at its model.", {"error": "ErrorDetail", "run_id": "run-id"}),
    "ErrorDetail": ("What is wrong.", {"type": "text", "message": "text", "detail": "text?"}),
    "TypedError": (
        "What is wrong, and of what kind it is.",
        {"detail": "text", "error": "ErrorDetail"},
    ),
}

# status: (name of the response, when, schema)
RESPONSES: dict[int, tuple[str, str, str]] = {
    400: ("BadRequest", "The request contradicts itself, or the state of what it is about.", "Error"),
    401: ("Unauthenticated", "There is no key, or no valid one.", "Error"),
    404: ("NotFound", "There is no such thing, or not in this organization.", "Error"),
    405: ("MethodNotAllowed", "The path has no such method.", "Error"),
    408: ("TooSlow", "The MCP server did not answer in time.", "Error"),
    409: ("Conflict", "Something else stands in the way; the same request will not help.", "Conflict"),
    413: ("TooLarge", "The body, or the file in it, is larger than this server takes.", "Error"),
    415: (
        "UnsupportedMediaType",
        "The body is not JSON; or it is no form with a file that can be read.",
        "Error",
    ),
    422: ("Invalid", "The request has faults.", "Invalid"),
    500: ("ServerError", "The fault is the server's; the log has more of it.", "Error"),
    501: ("NotServed", "This server does not serve what was asked for.", "TypedError"),
    502: ("NoAnswer", "The MCP server does not answer as it should.", "TypedError"),
    503: ("Unavailable", "The database cannot be reached at the moment.", "Error"),
}

MODEL_FAILURES = {
    400: "The provider refused the request, or the conversation does not fit the model.",
    402: "The account at the provider has no credit left.",
    429: "The provider limits the rate.",
    500: "The run failed.",
    502: "The provider refused the server's key.",
    504: "The provider did not answer in time.",
}


def components() -> dict[str, Schema]:
    return {name: object_of(fields, words) for name, (words, fields) in OBJECTS.items()}


def responses() -> dict[str, Schema]:
    """The shared responses, by their names."""
    return {name: response(words, ref(schema)) for name, words, schema in RESPONSES.values()}


def response(words: str, schema: Schema) -> Schema:
    return {"description": words, "content": {JSON: {"schema": schema}}}


def shared(statuses: tuple[int, ...]) -> dict[str, Schema]:
    """References to the shared responses, by status."""
    return {str(status): {"$ref": f"#/components/responses/{RESPONSES[status][0]}"} for status in sorted(statuses)}


def of_runs(statuses: tuple[int, ...]) -> dict[str, Schema]:
    """The same, for requests that wait for a run: with these statuses the answer may also be the run's."""
    failures = {status: response(words, _either(status, statuses)) for status, words in MODEL_FAILURES.items()}
    return shared(statuses) | {str(status): failure for status, failure in failures.items()}


def _either(status: int, statuses: tuple[int, ...]) -> Schema:
    return {"anyOf": [ref(RESPONSES[status][2]), ref("ModelError")]} if status in statuses else ref("ModelError")
