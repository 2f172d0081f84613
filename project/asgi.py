"""One process serves it all: the REST API and SSE, the admin and its static files, and WebSockets."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

from channels.routing import ProtocolTypeRouter, URLRouter
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from agents.api.consumers import websocket_urls  # noqa: E402  (needs the apps loaded)
from project.interpreter import suit_a_server  # noqa: E402

application = ProtocolTypeRouter(
    {"http": ASGIStaticFilesHandler(django_application), "websocket": URLRouter(websocket_urls)}
)
suit_a_server()
