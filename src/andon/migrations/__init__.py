"""The line of history of the database's schema; see README.md."""
