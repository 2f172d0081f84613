"""Packages of the server that tools may import, too. They are found one by one, so that no folder shows the others."""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from types import ModuleType


def reachable(lent: Mapping[str, str]) -> dict[str, str]:
    """Of the packages, by name, those that whoever calls run as may read."""
    return {name: path for name, path in lent.items() if os.access(path, os.R_OK)}


def install(lent: Mapping[str, str]) -> None:
    """Behind everything else: a package that was installed for a tool comes before the server's."""
    sys.meta_path.append(_Lent(reachable(lent)))


class _Lent(MetaPathFinder):
    def __init__(self, paths: Mapping[str, str]):
        self._paths = paths

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = self._paths.get(fullname)
        if found is None or found.endswith(".py"):
            return spec_from_file_location(fullname, found) if found else None
        return spec_from_file_location(fullname, f"{found}/__init__.py", submodule_search_locations=[found])
