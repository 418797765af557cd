"""Plain functions as handlers: each call runs in a thread, so that the event loop never waits for the database."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from anyio import to_thread

_P = ParamSpec("_P")
_T = TypeVar("_T")


def in_thread(function: Callable[_P, _T]) -> Callable[_P, Awaitable[_T]]:
    """The function as a coroutine with the same signature; one that is a coroutine already stays as it is.

    Not Litestar's ``sync_to_thread``: it wraps a handler once more for every other handler at the same path.
    """
    if inspect.iscoroutinefunction(function):
        return function

    @functools.wraps(function)
    async def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await to_thread.run_sync(functools.partial(function, *args, **kwargs))

    return run
