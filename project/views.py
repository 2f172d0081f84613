"""The pages that belong to no app, and what is said where Django itself answers: JSON, never a traceback.

Inside the admin it is a page like the others there, with a way back.
"""

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render


def front(request: HttpRequest) -> HttpResponse:
    if settings.ADMIN_ENABLED:
        return redirect("/admin/")
    return HttpResponse("Perdure serves the REST API under /v1/.\n", content_type="text/plain")


ICON = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">
<rect width="16" height="16" rx="3" fill="#417690"/>
<circle cx="8" cy="8" r="4" fill="none" stroke="#f5dd5d" stroke-width="2"/>
</svg>
"""


def icon(request: HttpRequest) -> HttpResponse:
    return HttpResponse(ICON, content_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return JsonResponse({"detail": "The request could not be read."}, status=400)


def to_admin(request: HttpRequest) -> HttpResponse:
    return redirect("/admin/", permanent=True)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if in_admin(request):
        return admin_page(request, "This is not allowed", "Your account may not see or do this.", 403)
    return JsonResponse({"detail": "This is not allowed."}, status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if in_admin(request):
        return admin_page(request, "There is nothing here", "It may have been deleted, or the address is wrong.", 404)
    return JsonResponse({"detail": f"There is nothing at {request.method} {request.path}."}, status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"detail": "An unknown error occurred"}, status=500)


def in_admin(request: HttpRequest) -> bool:
    """Whoever was turned away before it was known who asks gets JSON even there."""
    return settings.ADMIN_ENABLED and request.path_info.startswith("/admin/") and hasattr(request, "user")


def admin_page(request: HttpRequest, title: str, what: str, status: int) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": title, "what": what}
    return render(request, "admin/refused.html", context, status=status)
