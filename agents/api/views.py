"""What all views of the API share."""

from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpResponse, JsonResponse
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.keys import Principal
from agents.api.cursors import asking
from agents.errors import invalid
from agents.retry import drop_dead_connections, is_lost


class ApiView(APIView):
    """A view for whoever holds a key."""

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """What only reads begins anew when its connection was dead, as all in the pool are after Postgres restarts."""
        try:
            return super().dispatch(request, *args, **kwargs)
        except (OperationalError, InterfaceError) as error:
            if request.method not in SAFE_METHODS or not is_lost(error):
                raise
            drop_dead_connections()
            return super().dispatch(request, *args, **kwargs)

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
