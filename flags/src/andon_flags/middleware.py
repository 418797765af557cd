"""Counts how requests end, for whatever speaks WSGI or ASGI: ``app = WSGI(app)``, ``app = ASGI(app)``.

While no flag is watched, a request goes straight through.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, Optional

from andon_flags import flags as usual
from andon_flags.client import Flags
from andon_flags.watching import Outcomes, Request, enter, leave


class WSGI:
    """Around an application of WSGI: Django, Flask, Pyramid. It has failed with 500 and above, or an exception."""

    def __init__(self, app: "Callable[..., Iterable[bytes]]", flags: Optional[Flags] = None) -> None:
        self._app = app
        self._outcomes = (usual if flags is None else flags).outcomes

    def __call__(self, environ: "dict[str, Any]", start_response: "Callable[..., Any]") -> "Iterable[bytes]":
        request = self._outcomes.request()
        if request is None:
            return self._app(environ, start_response)
        answer = _Answer(self._outcomes, request)

        def started(status: str, *more: Any) -> Any:
            answer.failed = status[:1] == "5"
            return start_response(status, *more)

        token = enter(request)
        try:
            body = self._app(environ, started)
        except BaseException as error:
            answer.end(failed=isinstance(error, Exception))
            raise
        finally:
            leave(token)
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(body, (list, tuple)) or (isinstance(wrapper, type) and isinstance(body, wrapper)):
            answer.end()  # nothing is asked any more; servers know these by their types
            return body
        answer.body = body
        return answer


class _Answer:
    """A body that is made while it is sent. Between two pieces the thread may be at other requests."""

    def __init__(self, outcomes: Outcomes, request: Request) -> None:
        self.body: Iterable[bytes] = ()
        self.failed = False
        self._outcomes = outcomes
        self._request = request
        self._pieces: Optional[Iterator[bytes]] = None

    def end(self, *, failed: bool = False) -> None:
        self._outcomes.ended(self._request, failed=failed or self.failed)

    def __iter__(self) -> "Iterator[bytes]":
        return self

    def __next__(self) -> bytes:
        token = enter(self._request)
        try:
            if self._pieces is None:
                self._pieces = iter(self.body)
            return next(self._pieces)
        except StopIteration:
            raise
        except Exception:
            self.failed = True
            raise
        finally:
            leave(token)

    def close(self) -> None:
        """Called by servers once all is sent, or nobody wants it any more."""
        token = enter(self._request)
        try:
            close = getattr(self.body, "close", None)
            if close is not None:
                close()
        except Exception:
            self.failed = True
            raise
        finally:
            leave(token)
            self.end()


class ASGI:
    """Around an application of ASGI: Starlette, FastAPI, Django, Litestar. It has failed with 500 and above, with an
    exception, or without an answer. Web sockets pass through."""

    def __init__(self, app: "Callable[..., Awaitable[None]]", flags: Optional[Flags] = None) -> None:
        self._app = app
        self._outcomes = (usual if flags is None else flags).outcomes

    async def __call__(self, scope: "dict[str, Any]", receive: Any, send: "Callable[[Any], Awaitable[None]]") -> None:
        request = self._outcomes.request() if scope.get("type") == "http" else None
        if request is None:
            await self._app(scope, receive, send)
            return
        status = 500

        async def sent(message: "dict[str, Any]") -> None:
            nonlocal status
            if message.get("type") == "http.response.start":
                status = int(message.get("status", 500))
            await send(message)

        token = enter(request)
        try:
            await self._app(scope, receive, sent)
        except asyncio.CancelledError:
            request.over = True  # whoever asked has gone: neither well nor badly done
            raise
        except Exception:
            status = 500
            raise
        finally:
            leave(token)
            self._outcomes.ended(request, failed=status >= 500)
