"""Django on an embedded Postgres of its own, migrated, for measurements within one process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project.embedded import running


@contextmanager
def django_on(folder: Path) -> Iterator[None]:
    with running(folder, throwaway=True) as backing:
        os.environ |= {
            "PERDURE_HOME": str(folder),
            "PERDURE_SECRET_KEY": "a key for measurements only, 0123456789",
            "DATABASE_URL": backing.database_url,
            "REDIS_URL": backing.redis_url,
            "DJANGO_SETTINGS_MODULE": "project.settings",
        }
        import django
        from django.core.management import call_command
        from django.db import connection

        django.setup()
        call_command("migrate", verbosity=0)
        try:
            yield
        finally:
            connection.close_pool()  # type: ignore[attr-defined]
