"""What all views of the API share."""

from typing import Any

from django.http import HttpResponse, JsonResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.keys import Principal
from agents.api.cursors import asking
from agents.errors import invalid


class ApiView(APIView):
    """A view for whoever holds a key."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if isinstance(request.user, Principal):
            asking.set(request.user.organization_id)
        words = [("path", name, value) for name, value in kwargs.items()]
        words += [("query", name, value) for name, values in request.query_params.lists() for value in values]
        for place, name, value in words:
            if "\x00" in value:
                raise invalid([place, name], "Should have no NUL character", "string_type")

    def principal(self, request: Request) -> Principal:
        return request.user  # set by the authentication class


def answer(body: Any, status: int = 200) -> HttpResponse:
    """A JSON body. Of a None Django REST framework would make an empty one, which is no JSON, but right for a 204.

    A 204 with a body is refused by uvicorn, and what a request holds that ends like this is never given back.
    """
    if status == 204:
        return Response(status=status)
    return JsonResponse(None, safe=False, status=status) if body is None else Response(body, status=status)
