"""How `requests` is followed to the answer: a 401 that asks for claims is met once, with a new token and the same request again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from partnersam import _native

    # Those of requests; it has types of its own in some releases only.
    _PreparedRequest = Any
    _Response = Any

__all__ = ["follow"]


def follow(auth: _native.Auth, request: _PreparedRequest) -> None:
    """Watches for the answer to a request that was signed."""
    request.register_hook("response", _Answered(auth))


class _Answered:
    """What requests calls with the answer."""

    def __init__(self, auth: _native.Auth) -> None:
        self._auth = auth

    def __call__(self, response: _Response, **options: Any) -> _Response:
        asked = response.request
        challenge = response.headers.get("WWW-Authenticate")
        # A redirect may have led elsewhere: what is asked for there is nothing to us.
        if response.status_code not in (401, 403) or not challenge or not self._auth._allows(asked.url or ""):
            return response
        if not self._auth._challenged([challenge]):
            return response
        again = asked.copy()
        if not _rewound(again):
            return response
        # Raises what the caller must know, where a person is needed.
        self._auth._sign(again, challenge)
        again.deregister_hook("response", self)
        # The connection is free for the next request once the answer was read.
        _ = response.content
        response.close()
        _take_cookies(again, response)
        answer = response.connection.send(again, **options)
        answer.history.append(response)
        answer.request = again
        return answer


def _rewound(request: _PreparedRequest) -> bool:
    """Whether the body can be sent a second time."""
    if request.body is None or isinstance(request.body, (bytes, str)):
        return True
    from requests.exceptions import UnrewindableBodyError
    from requests.utils import rewind_body

    try:
        rewind_body(request)
    except UnrewindableBodyError:
        return False
    return True


def _take_cookies(request: _PreparedRequest, response: _Response) -> None:
    """What the answer set goes with the next request, as between any two."""
    from requests import cookies

    extract: Any = cookies.extract_cookies_to_jar
    jar = getattr(request, "_cookies", None)
    if jar is not None:
        extract(jar, response.request, response.raw)
        request.headers.pop("Cookie", None)
        request.prepare_cookies(jar)
