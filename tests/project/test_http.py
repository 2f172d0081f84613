"""What errors become."""

import json

import pytest
from django.db import OperationalError
from rest_framework import serializers

from agents.accepting import KeyReused
from agents.errors import BadRequest, Conflict, NotFound, NotServed, invalid
from project.http import error_response, problems


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadRequest("x"), 400),
        (NotFound("Agent", "agent-1"), 404),
        (Conflict("x"), 409),
        (invalid(["body"], "x"), 422),
        (KeyReused("x"), 422),
        (NotServed("x"), 501),
        (OperationalError("x"), 503),
    ],
)
def test_the_table_of_errors(error, status):
    assert error_response(error).status_code == status


def test_an_error_of_our_own_has_no_place_in_it():
    assert error_response(ZeroDivisionError()) is None


def test_what_a_repeat_cannot_cure_is_marked_so():
    assert error_response(Conflict("x"))["x-should-retry"] == "false"
    assert error_response(OperationalError("x"))["Retry-After"] == "2"


def test_what_is_not_served_has_a_type():
    response = error_response(NotServed("Leave it out."))
    error = {"type": "not_implemented", "message": "Leave it out.", "detail": None}
    assert json.loads(response.content) == {"detail": "Leave it out.", "error": error}
    assert response["x-should-retry"] == "false"


def test_the_words_of_the_database_are_kept_from_clients():
    assert b"secret" not in error_response(OperationalError("host=secret")).content


def test_a_serializer_s_errors_are_told_with_their_places():
    class Inner(serializers.Serializer):
        label = serializers.CharField()

    class Outer(serializers.Serializer):
        name = serializers.CharField()
        blocks = Inner(many=True)

    fields = Outer(data={"blocks": [{"label": "x"}, {}]})
    assert not fields.is_valid()
    found = problems(fields.errors)
    assert [problem["loc"] for problem in found] == [["body", "name"], ["body", "blocks", 1, "label"]]
    assert {problem["type"] for problem in found} == {"required"}
