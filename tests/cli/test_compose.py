"""docker-compose.yml promises what the documentation says of it, and runs the same programs as `./perdure up`."""

import json
import os
import re
import shutil
import subprocess
from functools import cache
from typing import Any

import pytest

from cli.configuration import ROOT
from project.embedded.processes import web_command, worker_command

COMPOSE = ROOT / "docker-compose.yml"
OURS = ("migrate", "web", "worker")
SECRETS = {"POSTGRES_PASSWORD": "p", "PERDURE_SECRET_KEY": "s"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="reading docker-compose.yml needs PyYAML")
    services: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return services


PROGRAMS = (("docker", "compose"), ("docker-compose",))


def docker(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if name not in SECRETS}
    command = [*program(), "-f", str(COMPOSE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=known | environment)


@cache
def program() -> tuple[str, ...]:
    """Compose, as docker's plugin or as a program of its own; neither needs an engine to read a file."""
    for words in PROGRAMS:
        if shutil.which(words[0]) and subprocess.run([*words, "version"], capture_output=True).returncode == 0:
            return words
    return ()


@pytest.fixture(scope="module")
def compose() -> None:
    if not program():
        pytest.skip("no docker compose here (apt install docker-compose)")


@pytest.mark.usefixtures("compose")
def test_compose_reads_the_file() -> None:
    result = docker("config", "--services", **SECRETS)
    assert result.returncode == 0, result.stderr
    assert set(result.stdout.split()) == {"postgres", "valkey", *OURS}


@pytest.mark.usefixtures("compose")
@pytest.mark.parametrize("missing", SECRETS)
def test_compose_refuses_to_start_without_a_secret(missing: str) -> None:
    result = docker("config", **{name: value for name, value in SECRETS.items() if name != missing})
    assert result.returncode != 0
    assert missing in result.stderr
    assert "set it to a long random text" in result.stderr


def test_the_programs_are_those_of_up(services: dict[str, Any]) -> None:
    assert tuple(services["web"]["command"]) == web_command("0.0.0.0", 8283)
    slots = "${PERDURE_WORKER_SLOTS:-1000}"
    assert [word.replace(slots, "1000") for word in services["worker"]["command"]] == list(worker_command(1000))


def test_the_image_starts_the_web_process() -> None:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
    command = next(line.removeprefix("CMD ") for line in text.splitlines() if line.startswith("CMD "))
    assert tuple(json.loads(command)) == web_command("0.0.0.0", 8283)


def test_the_image_does_not_run_as_root_and_checks_hashes() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert "USER 10001:10001" in lines
    assert "RUN pip install --require-hashes -r requirements.lock" in lines


def test_only_the_web_port_is_published_and_on_the_loopback(services: dict[str, Any]) -> None:
    assert {name: service["ports"] for name, service in services.items() if "ports" in service} == {
        "web": ["${PERDURE_BIND:-127.0.0.1}:${PERDURE_PORT:-8283}:8283"]
    }


def test_no_secret_has_a_default(services: dict[str, Any]) -> None:
    required = ":?set it to a long random text}"
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] == "${POSTGRES_PASSWORD" + required
    for name in OURS:
        assert services[name]["environment"]["PGPASSWORD"] == "${POSTGRES_PASSWORD" + required
        assert services[name]["environment"]["PERDURE_SECRET_KEY"] == "${PERDURE_SECRET_KEY" + required


FIXED = {"PERDURE_HOME", "DATABASE_URL", "REDIS_URL"}
NOT_IN_CONTAINERS = {"PERDURE_HOST", "PERDURE_PORT", "PERDURE_URL", "PERDURE_API_KEY", "PYTHON"}


def test_every_setting_that_is_described_reaches_the_containers(services: dict[str, Any]) -> None:
    """The web process is reached where compose publishes it, and the command line is no container."""
    described = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))
    assert {"PERDURE_LEASE", "OPENAI_API_KEY"} < described
    for name in OURS:
        given = services[name]["environment"]
        assert set(given) - {"PGPASSWORD"} == described - NOT_IN_CONTAINERS
        for setting in described - NOT_IN_CONTAINERS - FIXED:
            assert given[setting].startswith(f"${{{setting}:"), setting


def test_whatever_takes_connections_has_a_health_check(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if "healthcheck" in service} == {"postgres", "valkey", "web"}


def test_the_order_of_the_start(services: dict[str, Any]) -> None:
    healthy = {"condition": "service_healthy"}
    assert services["migrate"]["depends_on"] == {"postgres": healthy, "valkey": healthy}
    for name in ("web", "worker"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_workers_can_be_many(services: dict[str, Any]) -> None:
    assert "container_name" not in services["worker"]
    assert "ports" not in services["worker"]
