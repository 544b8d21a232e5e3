"""Each service is real, holds what reaches it, tells who is held, lets go in order, and ends with its owner."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import psycopg
import pytest
import redis
from helpers import gone, until

from autograder import services
from autograder.services import ServiceError
from autograder.services.embedded import Embedded


def ask_upstream(service, token):
    return httpx.get(f"{service.environment['UPSTREAM_URL']}/items/{token}", timeout=60).json()["price"]


def ask_redis(service, token):
    client = redis.Redis.from_url(service.environment["REDIS_URL"])
    client.rpush("jobs", token)
    return int(client.blpop(f"reply:{token}", timeout=60)[1])


def ask_postgres(service, token):
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        return connection.execute("SELECT price_of(%s)", [token]).fetchone()[0]


def ask_files(service, token):
    return int((Path(service.environment["DOCUMENTS"]) / token).read_text())


def ask_commands(service, token):
    done = subprocess.run([service.environment["PRICE_COMMAND"], token], capture_output=True, text=True, check=True)
    return int(done.stdout)


ASK = {
    "commands": ask_commands,
    "files": ask_files,
    "postgres": ask_postgres,
    "redis": ask_redis,
    "upstream": ask_upstream,
}
SERVERS = ["postgres", "redis", "upstream"]  # those that run in a process of their own


def test_every_service_is_tested():
    assert set(ASK) == set(services.KINDS)


@pytest.mark.parametrize("name", ASK)
def test_replies_parks_and_releases_one_at_a_time(name):
    service, ask = services.get(name), ASK[name]
    assert services.get(name) is service
    service.prepare(["first"])
    assert ask(service, "first") == service.reply("first")

    tokens = ["one", "two", "three"]
    service.prepare(tokens)
    service.park()
    replies = {}
    threads = [threading.Thread(target=lambda t=t: replies.update({t: ask(service, t)})) for t in tokens]
    for thread in threads:
        thread.start()
    until(lambda: len(service.parked()) == 3)
    assert set(service.parked()) == set(tokens) and not replies
    first, second, third = service.parked()
    service.release(1)
    until(lambda: len(replies) == 1)
    assert list(replies) == [first] and service.parked() == [second, third]
    service.release(1, newest=True)
    until(lambda: len(replies) == 2)
    assert list(replies) == [first, third] and service.parked() == [second]
    service.release()
    for thread in threads:
        thread.join()
    assert replies == {token: service.reply(token) for token in tokens}
    service.prepare(["last"])
    assert ask(service, "last") == service.reply("last")


def test_replies_cannot_be_guessed_from_another_service():
    assert services.KINDS["upstream"] is not services.KINDS["redis"]
    assert services.get("upstream").reply("x") != services.get("redis").reply("x")


@pytest.mark.parametrize("name", ASK)
def test_a_service_that_died_is_started_anew(name):
    before = services.get(name)
    before.stop()
    assert not before.alive
    after = services.get(name)
    assert after is not before
    after.prepare(["again"])
    assert ASK[name](after, "again") == after.reply("again")


def test_an_asker_that_hangs_up_is_no_longer_held():
    service = services.get("upstream")
    service.park()
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{service.url}/items/impatient", timeout=0.3)
    until(lambda: service.parked() == [])
    service.release()


def test_a_command_that_is_killed_is_no_longer_held():
    service = services.get("commands")
    service.park()
    process = subprocess.Popen([service.command, "impatient"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: service.parked() == ["impatient"])
    process.kill()
    process.wait()
    until(lambda: service.parked() == [])
    service.release()


OWNER = """
import sys
from autograder import services
service = services.get(sys.argv[1])
print(service._embedded.process.pid if hasattr(service, "_embedded") else service._process.pid, flush=True)
print(service._embedded.folder if hasattr(service, "_embedded") else "-", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is a word of Unix")
@pytest.mark.parametrize("name", SERVERS)
def test_nothing_is_left_when_the_owner_is_killed(name):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    pid, folder = int(owner.stdout.readline()), owner.stdout.readline().strip()
    assert not gone(pid) and (folder == "-" or os.path.isdir(folder))
    owner.kill()
    owner.wait()
    until(lambda: gone(pid))
    until(lambda: not os.path.isdir(folder))
    owner.stdin.close()
    owner.stdout.close()


def test_a_server_that_does_not_start_is_told_in_a_sentence():
    server = Embedded("tea")
    with pytest.raises(ServiceError, match="tea did not start: not yet"):
        server.start([sys.executable, "-c", "pass"], ready=lambda: (_ for _ in ()).throw(OSError("not yet")))
    assert not server.folder.exists()
    with pytest.raises(ServiceError, match="could not be set up: no leaves"):
        Embedded("tea").run([sys.executable, "-c", "import sys; sys.exit('no leaves')"])


def test_a_server_of_ones_own_that_is_not_there(monkeypatch):
    monkeypatch.setenv("COURSE_REDIS_URL", "redis://127.0.0.1:1")
    with pytest.raises(ServiceError, match="does not answer"):
        services.KINDS["redis"]()
    monkeypatch.setenv("COURSE_POSTGRES_URL", "postgresql://127.0.0.1:1/x")
    with pytest.raises(ServiceError, match="does not answer"):
        services.KINDS["postgres"]()
