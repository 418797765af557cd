"""Who may see people and change what they may: the one rule, for the API and for the console."""

from __future__ import annotations

from andon.kernel.access import Permission, Principal
from andon.kernel.errors import Forbidden


def require_administration(principal: Principal) -> None:
    """Raises :class:`Forbidden`."""
    principal.require(Permission.ADMINISTER)
    if principal.services is not None:
        raise Forbidden("A token bound to services does not administer people.", remedy="Use one that is not bound.")


def administers(principal: Principal) -> bool:
    """Whether :func:`require_administration` lets them through."""
    try:
        require_administration(principal)
    except Forbidden:
        return False
    return True
