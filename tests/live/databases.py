"""A database for every server: copied from one that was migrated and filled once per test run."""

import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = "perdure_template"


@cache
def _backing_url() -> str:
    return os.environ["DATABASE_URL"]


def url_of(database: str) -> str:
    parts = conninfo_to_dict(_backing_url())
    return f"postgresql://{parts['user']}@/{database}?host={parts['host']}"


def statement(text: str) -> None:
    with psycopg.connect(_backing_url(), autocommit=True) as connection:
        connection.execute(text)  # type: ignore[arg-type]


@cache
def template() -> str:
    """Makes the database that `new_database` copies. Gives the API key of the first organization in it."""
    home = Path(os.environ["PERDURE_HOME"]) / "template"
    statement(f'CREATE DATABASE "{TEMPLATE}"')
    environment = os.environ | {"PERDURE_HOME": str(home), "DATABASE_URL": url_of(TEMPLATE)}
    for arguments in (("migrate", "--no-input"), ("bootstrap",)):
        manage(environment, *arguments)
    return (home / "api-key").read_text().strip()


def new_database() -> str:
    """The name of a fresh copy of the template."""
    name = f"perdure_{uuid.uuid4().hex[:12]}"
    statement(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"')
    return name


def drop_database(name: str) -> None:
    statement(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def manage(environment: Mapping[str, str], *arguments: str, script: str | None = None) -> str:
    """What a `manage.py` command says; `script` is its standard input."""
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=dict(environment), input=script, capture_output=True, text=True)
    assert done.returncode == 0, f"manage.py {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def connect(url: str) -> "psycopg.Connection[tuple]":
    return psycopg.connect(make_conninfo(url), autocommit=True)
