"""A folder for PERDURE_HOME, removed with all that root's embedded services keep outside it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from project.embedded import accounts, homes


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "home of a user"
    yield path
    if (path / "postgres").is_symlink():
        accounts.delete_data(path, "postgres")
    homes.forget(path / homes.RUN)
    shutil.rmtree(path, ignore_errors=True)
