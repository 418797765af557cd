"""Every table of every room, for those who need them all: migrations, backups, tests."""

from __future__ import annotations

import importlib
import pkgutil

import sqlalchemy as sa

import andon
from andon.kernel.db import metadata


def load_all_tables() -> sa.MetaData:
    """Import each room's ``storage`` (module or package, with all modules in it) and return the tables they declare.

    Found by walking the packages, so that a new room's tables are never forgotten here.
    """
    for module in pkgutil.walk_packages(andon.__path__, "andon."):
        if "storage" in module.name.split("."):
            importlib.import_module(module.name)
    return metadata
