"""What a credential hands out: azure-core's classes where azure-core is loaded, the same shape where it is not. Neither shows the token in its repr.

Loading azure-core costs a hundred milliseconds, so nobody is made to: who checks for its class has loaded it by then.
"""

from __future__ import annotations

import sys
from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["azure_classes", "own_classes"]


class _AccessToken(namedtuple("_AccessToken", ("token", "expires_on"))):
    __slots__ = ()


class _AccessTokenInfo:
    def __init__(
        self,
        token: str,
        expires_on: int,
        *,
        token_type: str = "Bearer",  # noqa: S107
        refresh_on: int | None = None,
    ) -> None:
        self.token = token
        self.expires_on = expires_on
        self.token_type = token_type
        self.refresh_on = refresh_on


def own_classes() -> tuple[type, type]:
    """AccessToken and AccessTokenInfo without azure-core."""
    return _masked(_AccessToken, _AccessTokenInfo)


def azure_classes() -> tuple[type, type] | None:
    """The same as subclasses of azure-core's own, once that is loaded. A version of it without AccessTokenInfo gets ours."""
    azure = sys.modules.get("azure.core.credentials")
    token: type | None = getattr(azure, "AccessToken", None)
    return None if token is None else _masked(token, getattr(azure, "AccessTokenInfo", _AccessTokenInfo))


def access_token(token: str, expires_on: int) -> Any:
    """An AccessToken of the class that is right here; what a pickled one becomes again."""
    return (azure_classes() or own_classes())[0](token, expires_on)


def access_token_info(token: str, expires_on: int, token_type: str, refresh_on: int | None) -> Any:
    """An AccessTokenInfo of the class that is right here; what a pickled one becomes again."""
    return (azure_classes() or own_classes())[1](token, expires_on, token_type=token_type, refresh_on=refresh_on)


def _masked(token: type, info: type) -> tuple[type, type]:
    """Subclasses whose repr and pickle are ours."""
    return (
        _subclass("AccessToken", token, access_token, ("token", "expires_on")),
        _subclass("AccessTokenInfo", info, access_token_info, ("token", "expires_on", "token_type", "refresh_on")),
    )


def _subclass(name: str, base: type, rebuild: Callable[..., Any], fields: tuple[str, ...]) -> type:
    def show(self: Any) -> str:
        return f"{name}(token='***', {', '.join(f'{field}={getattr(self, field)!r}' for field in fields[1:])})"

    def reduce(self: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return rebuild, tuple(getattr(self, field) for field in fields)

    body = {
        "__repr__": show,
        "__str__": show,
        "__reduce__": reduce,
        "__module__": "partnersam",
        "__doc__": base.__doc__,
    }
    if issubclass(base, tuple):
        body["__slots__"] = ()
    return type(name, (base,), body)
