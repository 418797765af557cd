"""Who may do what: people, sessions, tokens, roles and permissions."""

from andon.kernel.access.model import SYSTEM, Grant, Permission, PersonId, Principal, Role

__all__ = ["SYSTEM", "Grant", "Permission", "PersonId", "Principal", "Role"]
