"""One process serves it all: the REST API and SSE, the admin and its static files, and WebSockets."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

import django

django.setup(set_prefix=False)

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler  # noqa: E402

from agents.api.consumers import websocket_urls  # noqa: E402  (needs the apps loaded)
from project.handler import Handler  # noqa: E402
from project.interpreter import suit_a_server  # noqa: E402
from project.limits import LimitedBodies  # noqa: E402

limited = LimitedBodies(ASGIStaticFilesHandler(Handler()), settings.LARGEST_BODY)
application = ProtocolTypeRouter({"http": limited, "websocket": URLRouter(websocket_urls)})
suit_a_server()
