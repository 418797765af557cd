"""Who may do what: people, sessions, tokens, roles and permissions.

``people``, ``signing_in`` and ``tokens`` hold the use cases; each function takes the transaction it works in.
"""

from andon.kernel.access.model import OPERATOR, SYSTEM, Grant, Permission, PersonId, Principal, Role

__all__ = ["OPERATOR", "SYSTEM", "Grant", "Permission", "PersonId", "Principal", "Role"]
