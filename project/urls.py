"""Where everything is served. Collections answer with and without the trailing slash: a redirect would lose a POST."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from project import reference, views

urlpatterns = [
    path("", views.front),
    path("favicon.ico", views.icon),
    path("docs", reference.page),
    path("docs/", reference.page),
    path("v1/openapi.json", reference.openapi),
    path("v1/", include("agents.api.urls")),
]

if settings.ADMIN_ENABLED:
    urlpatterns += [path("admin", views.to_admin), path("admin/", admin.site.urls)]

handler400 = "project.views.bad_request"
handler403 = "project.views.forbidden"
handler404 = "project.views.not_found"
handler500 = "project.views.server_error"
