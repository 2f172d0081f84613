from importlib.util import find_spec

from django.apps import AppConfig
from django.conf import settings


class ToolsConfig(AppConfig):
    name = "tools"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tools import registry

        modules = [f"{app}.tools" for app in settings.PERDURE_APPS]
        registry.load(module for module in modules if find_spec(module))
