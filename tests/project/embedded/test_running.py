"""The embedded Postgres and Valkey, for real."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from project.embedded import EmbeddedError, accounts, homes, postgres, running
from tests.project.embedded.processes import eventually, mentioning

SLEEPER = """
import sys, time
from pathlib import Path
from project.embedded import running
with running(Path(sys.argv[1])) as backing:
    print(backing.database_url, flush=True)
    time.sleep(600)
"""


def test_both_answer_and_vectors_are_there(home: Path) -> None:
    with running(home, throwaway=True) as backing:
        with psycopg.connect(backing.database_url) as connection:
            connection.execute("CREATE EXTENSION vector")
            facts = connection.execute(
                "SELECT '[1,2]'::vector <-> '[1,3]'::vector, upper('ä'), current_setting('timezone'),"
                " current_setting('server_encoding'), current_setting('listen_addresses'), current_setting('fsync')"
            ).fetchone()
        assert facts == (1.0, "Ä", "UTC", "UTF8", "", "off")
        with redis.Redis.from_url(backing.redis_url) as client:
            assert client.set("a", "1")
            assert client.config_get("port") == {"port": "0"}
    assert not homes.in_use(home)
    assert not (home / "postgres").exists()
    assert not mentioning(str(home))


def test_data_stay_for_the_next_start(home: Path) -> None:
    with running(home) as backing, psycopg.connect(backing.database_url) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        connection.execute("CREATE TABLE kept AS SELECT 'still here' AS word")
    with running(home) as backing, psycopg.connect(backing.database_url) as connection:
        assert connection.execute("SELECT word FROM kept").fetchone() == ("still here",)


def test_what_has_a_url_is_not_started(home: Path) -> None:
    with running(home, database_url="postgresql://elsewhere/", redis_url="redis://elsewhere/") as backing:
        assert (backing.database_url, backing.redis_url) == ("postgresql://elsewhere/", "redis://elsewhere/")
        assert backing.supervisor.children == []


def test_a_home_has_one_server_at_a_time(home: Path) -> None:
    with running(home, database_url="postgresql://elsewhere/", redis_url="redis://elsewhere/"):
        assert homes.in_use(home)
        with pytest.raises(EmbeddedError, match="already runs"), running(home):
            pass


def test_two_homes_run_side_by_side(home: Path) -> None:
    other = home.with_name("other")
    with running(home, throwaway=True) as one, running(other, throwaway=True) as two:
        assert one.database_url != two.database_url
        assert one.redis_url != two.redis_url


def test_sockets_are_private_and_short(home: Path) -> None:
    deep = home / ("deep" * 40)
    with running(deep, throwaway=True) as backing:
        path = Path(backing.redis_url.removeprefix("unix://").removesuffix("?db=0"))
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert len(str(path)) < 80
    assert not path.parent.parent.exists()


def killed(home: Path) -> subprocess.Popen[str]:
    """A starter that was killed with -9 while both services ran."""
    starter = subprocess.Popen([sys.executable, "-c", SLEEPER, str(home)], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    assert starter.stdout.readline().startswith("postgresql://")
    starter.kill()
    starter.wait()
    starter.stdout.close()
    return starter


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sends a signal to the children of a killed process")
def test_kill_9_of_the_starter_leaves_no_process_and_the_next_start_works(home: Path) -> None:
    killed(home)
    with running(home) as backing, psycopg.connect(backing.database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    killed(home)
    assert eventually(lambda: not mentioning(str((home / "postgres").resolve())))
    assert eventually(lambda: not mentioning(str(home)))


def test_a_postmaster_pid_whose_number_belongs_to_another_program_does_not_matter(home: Path) -> None:
    killed(home)
    data = (home / "postgres").resolve() / postgres.MAJOR
    assert eventually(lambda: postgres.postmaster(data) is None)
    with subprocess.Popen(["sleep", "600"], cwd="/", **as_the_account()) as stranger:
        try:
            leave_pid_file(data, stranger.pid)
            with running(home) as backing, psycopg.connect(backing.database_url) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def as_the_account() -> dict[str, int]:
    """Postgres believes in a process of its own user only."""
    account = accounts.unprivileged()
    return {"user": account.uid, "group": account.gid} if account else {}


def leave_pid_file(data: Path, pid: int) -> None:
    pid_file = data / "postmaster.pid"
    pid_file.write_text(f"{pid}\n{data}\n1700000000\n5432\n/tmp\n\n        1         1\nready\n")
    os.chown(pid_file, data.stat().st_uid, data.stat().st_gid)


def test_a_postgres_that_lost_its_supervisor_is_ended_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "ORPHAN_PATIENCE", 0.2)
    with running(home) as backing:
        data = (home / "postgres").resolve() / postgres.MAJOR
        before = postgres.postmaster(data)
        assert before is not None
        postgres.settle(data)
        assert postgres.postmaster(data) is None
        assert eventually(lambda: revived(backing.supervisor, data))
        assert postgres.postmaster(data) != before


def revived(supervisor, data: Path) -> bool:
    supervisor.tick()
    return postgres.postmaster(data) is not None


def test_a_copy_of_the_home_is_a_backup(home: Path, tmp_path: Path) -> None:
    """As docs/operating.md has it: packed with what links lead to, unpacked elsewhere, and started."""
    with running(home) as backing, psycopg.connect(backing.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    packed, restored = tmp_path / "backup.tgz", tmp_path / "restored"
    subprocess.run(["tar", "-C", home, "-chzf", packed, "."], check=True)
    accounts.delete_data(home, "postgres")
    restored.mkdir()
    subprocess.run(["tar", "-C", restored, "-xzf", packed], check=True)
    for _ in range(2):  # the second start is one like any other
        with running(restored) as backing, psycopg.connect(backing.database_url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    accounts.delete_data(restored, "postgres")


def test_a_cut_initdb_is_made_anew(home: Path) -> None:
    homes.prepared(home)
    parent = accounts.data_folder(home, "postgres", accounts.unprivileged())
    (parent / f"{postgres.MAJOR}.new").mkdir()
    (parent / f"{postgres.MAJOR}.new" / "PG_VERSION").write_text("18\n")
    with running(home) as backing, psycopg.connect(backing.database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_postgres_that_does_not_start_is_named_with_its_log(home: Path) -> None:
    with running(home):
        pass
    data = (home / "postgres").resolve() / postgres.MAJOR
    (data / "postgresql.auto.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedError, match=r"Postgres does not start: .*postgres\.log"), running(home):
        pass
    assert not homes.in_use(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can own a folder as somebody else")
def test_the_home_of_another_user_is_refused(home: Path) -> None:
    home.mkdir()
    os.chown(home, 12345, 12345)
    with pytest.raises(EmbeddedError, match="belongs to another user"), running(home):
        pass


def test_a_dead_postgres_is_started_again(home: Path) -> None:
    with running(home, throwaway=True) as backing:
        data = (home / "postgres").resolve() / postgres.MAJOR
        pid = postgres.postmaster(data)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: answers_again(backing.supervisor, backing.database_url))


def answers_again(supervisor, url: str) -> bool:
    supervisor.tick()
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True
