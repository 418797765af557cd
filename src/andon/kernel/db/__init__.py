"""The database: SQLite on one machine, PostgreSQL at scale, one code for both."""

from andon.kernel.db.columns import Enumeration, Instant, Json
from andon.kernel.db.database import Database, Reading, Transaction
from andon.kernel.db.engine import open_engine
from andon.kernel.db.tables import metadata

__all__ = ["Database", "Enumeration", "Instant", "Json", "Reading", "Transaction", "metadata", "open_engine"]
