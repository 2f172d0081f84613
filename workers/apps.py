from django.apps import AppConfig


class WorkersConfig(AppConfig):
    name = "workers"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Sending by name ignores eager mode for tasks that this process has not registered (celery#581).
        from workers import callbacks, embedding, files, listing, mcp, packages, tasks, trials  # noqa: F401
