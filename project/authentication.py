"""The API key, for views of Django REST framework."""

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.authentication import Unauthenticated, principal_of
from accounts.keys import Principal


class KeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Principal, str | None]:
        try:
            principal = principal_of(request.META.get("HTTP_AUTHORIZATION"))
        except Unauthenticated as error:
            raise exceptions.AuthenticationFailed(str(error)) from None
        return principal, principal.key_id

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
