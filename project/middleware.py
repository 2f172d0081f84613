"""Django's middleware, for pages only: the API has keys instead of sessions, and each would cost it two thread hops."""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware


class PagesOnly:
    """Mixed in before a middleware class: requests to the API pass by it. Works in sync and async chains alike."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith("/v1/"):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]


class SecurityForPages(PagesOnly, SecurityMiddleware): ...


class SessionForPages(PagesOnly, SessionMiddleware): ...


class CommonForPages(PagesOnly, CommonMiddleware): ...


class CsrfForPages(PagesOnly, CsrfViewMiddleware):
    async def process_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        # It looks at cookies and headers alone, so it need not leave the event loop.
        return None if request.path_info.startswith("/v1/") else super().process_view(request, *args, **kwargs)


class AuthenticationForPages(PagesOnly, AuthenticationMiddleware): ...


class MessagesForPages(PagesOnly, MessageMiddleware): ...


class FramesForPages(PagesOnly, XFrameOptionsMiddleware): ...
