"""Who makes a request: the API key in its Authorization header."""

from accounts.keys import Principal, principal_for

WHERE_THE_KEY_IS = (
    "Send a valid API key as `Authorization: Bearer <key>`. The first key of this server is in the file api-key in its "
    "PERDURE_HOME (.perdure/api-key in the checkout); more can be made in the admin under API keys."
)


class Unauthenticated(Exception):
    """No key, or one that is unknown, expired or revoked; the text says where keys come from."""

    def __init__(self) -> None:
        super().__init__(WHERE_THE_KEY_IS)


def principal_of(authorization: str | None) -> Principal:
    """The holder of the key in an Authorization header. Raises Unauthenticated."""
    scheme, _, key = (authorization or "").partition(" ")
    principal = principal_for(key.strip()) if scheme.lower() == "bearer" else None
    if principal is None:
        raise Unauthenticated
    return principal
