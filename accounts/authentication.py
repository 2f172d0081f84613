"""Who makes a request: the API key in its Authorization header."""

import time

from accounts.keys import Principal, principal_for

WHERE_THE_KEY_IS = (
    "Send a valid API key as `Authorization: Bearer <key>`. The first key of this server is in the file api-key in its "
    "PERDURE_HOME (.perdure/api-key in the checkout); more can be made in the admin under API keys."
)


class Unauthenticated(Exception):
    """No key, or one that is unknown, expired or revoked; the text says where keys come from."""

    def __init__(self) -> None:
        super().__init__(WHERE_THE_KEY_IS)


MOST_KNOWN = 10_000
KNOWN_SECONDS = 5.0
"""How long a key that was found valid is taken for valid; the time that a revocation takes to be felt."""

_known: dict[str, tuple[float, Principal]] = {}


def principal_of(authorization: str | None) -> Principal:
    """The holder of the key in an Authorization header. Raises Unauthenticated."""
    now = time.monotonic()
    header = authorization or ""
    if header in _known and _known[header][0] > now:
        return _known[header][1]
    scheme, _, key = header.partition(" ")
    principal = principal_for(key.strip()) if scheme.lower() == "bearer" else None
    if principal is None:
        raise Unauthenticated
    if len(_known) >= MOST_KNOWN:
        _known.clear()
    _known[header] = (now + KNOWN_SECONDS, principal)
    return principal
