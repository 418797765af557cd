"""Plain functions as handlers: each call runs in a thread, so that the event loop never waits for the database.

What a parameter is follows from its name, so that rooms need not say it: one of the path's, one of those that the
application supplies (:data:`SUPPLIED`), the body (``data``), and everything else is the query's.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, get_origin, get_type_hints

from anyio import to_thread
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

SUPPLIED = frozenset({"context", "visitor", "call", "open_call", "feed"})
_LITESTARS_OWN = frozenset({"request", "return"})
_IN_PATH = re.compile(r"\{(\w+):\w+\}")


def in_thread(function: Callable[..., Any], paths: Iterable[str]) -> Callable[..., Any]:
    """The function as a coroutine whose parameters Litestar understands; a coroutine stays on the event loop.

    Not Litestar's ``sync_to_thread``: it wraps a handler once more for every other handler at the same path.
    """
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run(**given: Any) -> Any:
            return await function(**given)
    else:

        @functools.wraps(function)
        async def run(**given: Any) -> Any:
            return await to_thread.run_sync(functools.partial(function, **given))

    in_path = {name for path in paths for name in _IN_PATH.findall(path)}
    hints = get_type_hints(function, include_extras=True)
    run.__annotations__ = {name: _meant(name, hint, in_path) for name, hint in hints.items()}
    return run


def _meant(name: str, hint: Any, in_path: set[str]) -> Any:
    if name in _LITESTARS_OWN or get_origin(hint) is Annotated:
        return hint
    marker: Any = FromQuery  # Any: the markers are generic aliases, filled in at run time
    if name == "data":
        marker = JSONBody
    elif name in SUPPLIED:
        marker = NamedDependency
    elif name in in_path:
        marker = FromPath
    return marker[hint]
