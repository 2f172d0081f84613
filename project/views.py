"""The pages that belong to no app, and what is said where Django itself answers: JSON, never a traceback."""

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect


def front(request):
    if settings.ADMIN_ENABLED:
        return redirect("/admin/")
    return HttpResponse("Perdure serves the REST API under /v1/.\n", content_type="text/plain")


ICON = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">
<rect width="16" height="16" rx="3" fill="#417690"/>
<circle cx="8" cy="8" r="4" fill="none" stroke="#f5dd5d" stroke-width="2"/>
</svg>
"""


def icon(request):
    return HttpResponse(ICON, content_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})


def bad_request(request, exception=None):
    return JsonResponse({"detail": "The request could not be read."}, status=400)


def forbidden(request, exception=None):
    return JsonResponse({"detail": "This is not allowed."}, status=403)


def not_found(request, exception=None):
    return JsonResponse({"detail": f"There is nothing at {request.method} {request.path}."}, status=404)


def server_error(request):
    return JsonResponse({"detail": "An unknown error occurred"}, status=500)
