"""The database: SQLite on one machine, PostgreSQL at scale, one code for both."""

from andon.kernel.db.columns import Enumeration, Instant, Json
from andon.kernel.db.database import Database, DatabaseUnavailable, Reading, Transaction
from andon.kernel.db.engine import open_engine
from andon.kernel.db.guards import append_only
from andon.kernel.db.tables import metadata

__all__ = [
    "Database",
    "DatabaseUnavailable",
    "Enumeration",
    "Instant",
    "Json",
    "Reading",
    "Transaction",
    "append_only",
    "metadata",
    "open_engine",
]
