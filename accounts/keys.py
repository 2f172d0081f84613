"""API keys: made once, shown once, found again by prefix and compared by HMAC in constant time."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from accounts.models import ApiKey, Organization, User


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever makes a request: the organization whose rows it may see, and through which key or user."""

    organization_id: str
    user_id: str | None = None
    key_id: str | None = None

    # DRF and Django ask these of request.user.
    is_authenticated = True
    is_active = True

    @property
    def pk(self) -> str:
        return self.key_id or self.user_id or self.organization_id


def issue_key(
    organization: Organization, *, name: str = "", user: User | None = None, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Store a new key. The text returned beside it exists nowhere else."""
    prefix, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    text = f"pdr_{prefix}_{secret}"
    key = ApiKey.objects.create(
        organization=organization,
        user=user,
        name=name,
        prefix=prefix,
        last4=text[-4:],
        digest=_digest(text),
        expires_at=expires_at,
    )
    return key, text


def principal_for(text: str) -> Principal | None:
    """Who holds this key; None if it is unknown, expired or revoked."""
    parts = text.split("_", 2)
    if len(parts) != 3 or parts[0] != "pdr" or "\x00" in text:
        return None
    key = ApiKey.objects.filter(prefix=parts[1][:8]).first()
    if key is None or not hmac.compare_digest(key.digest, _digest(text)) or not _is_valid(key):
        return None
    return Principal(organization_id=key.organization_id, user_id=key.user_id, key_id=key.id)


def _is_valid(key: ApiKey) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > timezone.now())


def _digest(text: str) -> str:
    return hmac.new(settings.API_KEY_PEPPER.encode(), text.encode(), hashlib.sha256).hexdigest()
