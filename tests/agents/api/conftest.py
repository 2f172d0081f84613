"""A client of the API, as the SDK speaks it, for two organizations."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from accounts.keys import issue_key
from accounts.models import Organization
from tests.agents import given


@dataclass
class Caller:
    """Sends JSON with the organization's key. Without a worker: what is accepted stays queued."""

    organization: Organization
    key: str

    def send(self, method: str, path: str, body: Any = None, raw: bytes | None = None, **headers: str) -> HttpResponse:
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.key}"} | headers
        client = Client(raise_request_exception=False)
        return client.generic(method, f"/v1/{path}", data, "application/json", headers=sent)  # type: ignore[return-value]

    def get(self, path: str) -> Any:
        return self.told("GET", path)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.told("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None) -> Any:
        return self.told("PATCH", path, body)

    def told(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer, which must be a good one."""
        response = self.send(method, path, body, **headers)
        assert response.status_code == 200, (response.status_code, response.content)
        return response.json()

    def refused(self, status: int, method: str, path: str, body: Any = None, raw: bytes | None = None) -> Any:
        """What is said about a request that must be refused with this status."""
        response = self.send(method, path, body, raw)
        assert response.status_code == status, (response.status_code, response.content)
        return response.json()["detail"]

    def send_file(self, folder: str, name: str, data: bytes, query: str = "", **form: Any) -> HttpResponse:
        """The form of an upload."""
        form = {"file": SimpleUploadedFile(name, data)} | form
        sent = {"Authorization": f"Bearer {self.key}"}
        client = Client(raise_request_exception=False)
        return client.post(f"/v1/folders/{folder}/upload?{query}", form, headers=sent)  # type: ignore[return-value]

    def upload(self, folder: str, name: str, data: bytes, query: str = "") -> Any:
        response = self.send_file(folder, name, data, query)
        assert response.status_code == 200, (response.status_code, response.content)
        return response.json()

    def agent(self, **fields: Any) -> dict[str, Any]:
        return self.post("agents/", {"model": "demo/scripted", "include_base_tools": False} | fields)


def caller(name: str) -> Caller:
    organization = given.organization(name)
    return Caller(organization, issue_key(organization)[1])


@pytest.fixture
def acme(transactional_db: None) -> Caller:
    return caller("Acme")


@pytest.fixture
def globex(transactional_db: None) -> Caller:
    return caller("Globex")
