"""Feature flags, evaluated inside the service: ``from andon_flags import flags``.

``flags.boolean("new-checkout", {"targetingKey": "u1"}, default=False)``. No configuration where Andon runs the service,
no dependency, and nothing that raises or waits.
"""

from andon_flags.breaker import BreakerOpen
from andon_flags.client import Flags

__all__ = ["BreakerOpen", "Flags", "flags"]
__version__ = "0.1.0"

flags = Flags()
"""What a service asks; made once, here. It does nothing before it is asked."""
