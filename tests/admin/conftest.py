"""Two organizations, people of each, and agents with a past."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.fields import new_id
from accounts.models import Organization, Purge, Retention, User
from agents.accepting import Offer, accept
from agents.creation import create_agent
from agents.models import (
    Agent,
    Approval,
    Callback,
    Conversation,
    EmbeddedHistory,
    Identity,
    IdentityJob,
    Message,
    Run,
    Step,
    ToolAttempt,
)
from memory.files import Upload, keep, make_folder
from memory.models import Archive, Passage
from tools.mcp.secrets import sealed
from tools.models import McpServer
from workers.models import Worker

HOSTILE = "<script>alert('x')</script>"


@dataclass
class Tenant:
    """An organization with its member of staff, logged in."""

    organization: Organization
    user: User
    client: Client
    agent: Agent
    run: Run

    @property
    def conversation(self) -> Conversation:
        return self.agent.conversations.get(is_default=True)


@pytest.fixture
def root(db: None) -> Client:
    """A superuser, logged in."""
    return logged_in(User.objects.create_superuser("root"))


@pytest.fixture
def acme(db: None) -> Tenant:
    return tenant("Acme")


@pytest.fixture
def globex(db: None) -> Tenant:
    return tenant("Globex")


def tenant(name: str) -> Tenant:
    organization = Organization.objects.create(name=name)
    user = User.objects.create_user(name.lower(), organization=organization, is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    agent = agent_of(organization, f"{name}'s agent")
    run = talked(agent)
    _further_rows(organization, agent)
    return Tenant(organization, user, logged_in(user), agent, run)


def agent_of(organization: Organization, name: str) -> Agent:
    blocks = [
        {"label": "human", "value": f"{name} knows Ada.\nShe likes tea."},
        {"label": "persona", "value": "I am kind."},
    ]
    return create_agent(organization.id, name=name, model="demo/scripted", blocks=blocks, tags=["blue", "a, b"])


def asked(agent: Agent, text: str = "What is the time?", **options: Any) -> Run:
    message = {"id": new_id("message"), "role": "user", "content": text, "name": None, "otid": None}
    conversation = agent.conversations.get(is_default=True)
    return accept(conversation, Offer(messages=[message], options=options))


def talked(agent: Agent, text: str = "What is the time?") -> Run:
    """A completed run: a question, a thought, a call, its return and the answer."""
    run = asked(agent, text)
    step = Step.objects.create(
        organization_id=run.organization_id,
        agent=agent,
        run=run,
        no=1,
        status="committed",
        epoch=1,
        model="demo/scripted",
        prompt_tokens=1234,
        completion_tokens=56,
        llm_ns=2_400_000_000,
        first_token_ns=340_000_000,
        tool_ns=12_000_000,
    )
    call = {"id": "call_00", "name": "clock", "arguments": '{"zone": "UTC"}'}
    thought = [{"text": "I must look it up.", "signature": None, "redacted": None}]
    say(run, None, "user", {"content": text}, text)
    calling = say(run, step, "assistant", {"text": "", "reasoning": thought, "calls": [call]}, "")
    _approved(run, calling, {"tool_call_id": "call_00", "name": "clock", "arguments": text, "by_client": False})
    returned = {"call_id": "call_00", "name": "clock", "status": "success", "text": "It is noon.", "stdout": ["tick"]}
    say(run, step, "tool", returned, "It is noon.")
    say(run, None, "assistant", {"text": "Noon, dear.", "reasoning": [], "calls": []}, "Noon, dear.")
    now = timezone.now()
    ToolAttempt.objects.create(
        organization_id=run.organization_id,
        run=run,
        step=step,
        call_index=0,
        call_id="call_00",
        name="clock",
        arguments='{"zone": "UTC"}',
        status="succeeded",
        epoch=1,
        started_at=now,
        finished_at=now + timedelta(milliseconds=12),
    )
    ended(
        run,
        "completed",
        stop_reason="end_turn",
        steps_done=1,
        started_at=now,
        completed_at=now + timedelta(seconds=192),
    )
    Callback.objects.create(organization_id=run.organization_id, run=run, url="https://example.org/", sent_at=now)
    return run


def _approved(run: Run, message: Message, call: dict[str, Any]) -> None:
    now = timezone.now()
    Approval.objects.create(
        organization_id=run.organization_id,
        agent_id=run.agent_id,
        conversation_id=run.conversation_id,
        message=message,
        asked_by=run,
        calls=[call],
        answers=[{"type": "approval", "tool_call_id": call["tool_call_id"], "approve": True, "reason": None}],
        deadline_at=now + timedelta(days=7),
        answered_at=now,
    )


def ended(run: Run, status: str, **columns: Any) -> None:
    Run.objects.filter(id=run.id).update(status=status, **columns)
    run.refresh_from_db()


def say(run: Run, step: Step | None, role: str, content: dict[str, Any], text: str) -> Message:
    conversation = Conversation.objects.get(id=run.conversation_id)
    message = Message.objects.create(
        organization_id=run.organization_id,
        agent_id=run.agent_id,
        conversation=conversation,
        seq=conversation.next_seq,
        run=run,
        step=step,
        role=role,
        content=content,
        text=text,
    )
    Conversation.objects.filter(id=conversation.id).update(
        next_seq=conversation.next_seq + 1, last_message_at=timezone.now()
    )
    return message


def _further_rows(organization: Organization, agent: Agent) -> None:
    archive = Archive.objects.create(
        organization=organization, name=f"{organization.name} notes", embedding="openai/small"
    )
    agent.archives.add(archive)
    EmbeddedHistory.objects.create(conversation=agent.conversations.get(is_default=True), embedding="fake/a")
    for text in (f"{organization.name} buys tea in Assam.", "The kettle whistles."):
        Passage.objects.create(organization=organization, archive=archive, text=text, created_at=timezone.now())
    folder = make_folder(organization.id, f"{organization.name} manuals", {"embedding": None, "dimension": None})
    keep(folder, Upload("kettle.md", "kettle.md", "text/markdown", "text", b"It whistles."), "suffix", None)
    McpServer.objects.create(
        organization=organization,
        name=f"{organization.name} tea",
        server_type="sse",
        url="https://mcp.example.org/sse",
        secrets=sealed({"auth_token": f"{organization.name}'s long secret"}, {}),
    )
    identity = Identity.objects.create(
        organization=organization, identifier_key=f"{organization.name}-1", name=f"{organization.name}'s guest"
    )
    agent.identities.add(identity)
    IdentityJob.objects.create(organization=organization, identity_id=identity.id, kind="export", report={"agent": 1})
    Retention.objects.create(organization=organization, runs_days=30)
    Purge.objects.create(organization=organization, kind="runs", deleted={"run": 3, "step": 12})
    Worker.objects.get_or_create(name="worker-1", defaults={"host": "here", "pid": 7, "slots": 1000})


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
