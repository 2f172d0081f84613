"""Brings the database up to date and fills it at the first start: `python -m cli.prepare`.

One process for both commands: importing Django and everything else takes longer than what they do on a later start.
"""

import os

import django
from django.core.management import call_command


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    call_command("migrate", interactive=False)
    call_command("bootstrap")


if __name__ == "__main__":
    main()
