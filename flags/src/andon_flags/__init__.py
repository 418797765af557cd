"""Feature flags, evaluated inside the service that asks."""

__all__: list[str] = []
__version__ = "0.1.0"
