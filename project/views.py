"""The pages that belong to no app, and what is said where Django itself answers: JSON, never a traceback."""

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect


def front(request):
    if settings.ADMIN_ENABLED:
        return redirect("/admin/")
    return HttpResponse("Perdure serves the REST API under /v1/.\n", content_type="text/plain")


def bad_request(request, exception=None):
    return JsonResponse({"detail": "The request could not be read."}, status=400)


def forbidden(request, exception=None):
    return JsonResponse({"detail": "This is not allowed."}, status=403)


def not_found(request, exception=None):
    return JsonResponse({"detail": f"There is nothing at {request.method} {request.path}."}, status=404)


def server_error(request):
    return JsonResponse({"detail": "An unknown error occurred"}, status=500)
