"""Secrets at rest: sealed with a key that is not in the database."""

import base64
import hashlib
import json

from cryptography.fernet import Fernet
from django.conf import settings


def seal(secrets: dict[str, str]) -> str:
    """The secrets as one opaque text; "" for none."""
    return _fernet().encrypt(json.dumps(secrets).encode()).decode() if secrets else ""


def unseal(sealed: str) -> dict[str, str]:
    return json.loads(_fernet().decrypt(sealed.encode())) if sealed else {}


def _fernet() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"seal:" + settings.SECRET_KEY.encode()).digest()))
