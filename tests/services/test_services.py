"""Each service is real, holds calls, reports which ones it holds, releases them in order, and ends with its owner."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pymysql
import pytest
import redis
from helpers import gone, until

from autograder import services
from autograder.programs.procfs import descendants
from autograder.services import ServiceError, gate, managed_server, mysql, upstream
from autograder.services.gate import HELD_LIMIT
from autograder.services.managed_server import ManagedServer
from autograder.services.upstream import Rooms


def ask_upstream(service, token):
    return httpx.get(f"{service.environment['UPSTREAM_URL']}/items/{token}", timeout=60).json()["price"]


def ask_redis(service, token):
    client = redis.Redis.from_url(service.environment["REDIS_URL"])
    client.rpush("jobs", token)
    return int(client.blpop(f"reply:{token}", timeout=60)[1])


def ask_mysql(service, token):
    with pymysql.connect(**mysql.address(service.environment["MYSQL_URL"])) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT price_of(%s)", [token])
        return cursor.fetchone()[0]


def ask_postgres(service, token):
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        return connection.execute("SELECT price_of(%s)", [token]).fetchone()[0]


def ask_files(service, token):
    return int((Path(service.environment["DOCUMENTS"]) / token).read_text())


def ask_commands(service, token):
    done = subprocess.run([service.environment["PRICE_COMMAND"], token], capture_output=True, text=True, check=True)
    return int(done.stdout)


def ask_work(service, token):
    address = {"WORKSHOP": service.environment["WORKSHOP"]}
    command = [sys.executable, "-c", "import sys, workshop; print(workshop.begin(sys.argv[1], None))", token]
    folder = service.app_files[0].parent
    return int(subprocess.run(command, cwd=folder, env=os.environ | address, capture_output=True, check=True).stdout)


ASK = {
    "commands": ask_commands,
    "files": ask_files,
    "mysql": ask_mysql,
    "postgres": ask_postgres,
    "redis": ask_redis,
    "upstream": ask_upstream,
    "work": ask_work,
}
SERVERS = ["mysql", "postgres", "redis", "upstream"]  # those that run in a process of their own


def test_every_service_is_tested():
    assert set(ASK) == set(services.KINDS)


@pytest.mark.parametrize("name", ASK)
def test_service_holds_and_releases_singly(name):
    """A service replies, holds requests, and releases each one separately."""
    service, ask = services.get(name), ASK[name]
    assert services.get(name) is service
    service.prepare(["first"])
    assert ask(service, "first") == service.reply("first")

    tokens = ["one", "two", "three"]
    service.prepare(tuple(tokens))
    service.hold()
    replies = {}
    threads = [threading.Thread(target=lambda t=t: replies.update({t: ask(service, t)})) for t in tokens]
    for thread in threads:
        thread.start()
    until(lambda: len(service.held()) == 3)
    assert set(service.held()) == set(tokens) and not replies
    first, second, third = service.held()
    service.release([first])
    until(lambda: len(replies) == 1)
    assert list(replies) == [first] and service.held() == [second, third]
    service.release([third])
    until(lambda: len(replies) == 2)
    assert list(replies) == [first, third] and service.held() == [second]
    service.release()
    for thread in threads:
        thread.join()
    assert replies == {token: service.reply(token) for token in tokens}
    service.prepare(["last"])
    assert ask(service, "last") == service.reply("last")


@pytest.mark.parametrize("name", ASK)
def test_calls_are_counted_per_token(name):
    """Two calls for the same token are held, counted and answered each for itself."""
    service, ask = services.get(name), ASK[name]
    same, other = secrets.token_hex(4), secrets.token_hex(4)  # a count is that since the start of the service
    service.prepare([same, same, other])
    service.hold()
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(ask(service, same))) for _ in range(2)]
    for number, thread in enumerate(threads, 1):
        thread.start()
        until(lambda number=number: service.held() == [same] * number)
    assert service.calls([same, other]) == {same: 2, other: 0}
    service.release()
    for thread in threads:
        thread.join()
    assert replies == [service.reply(same)] * 2
    assert service.calls([same, other]) == {same: 2, other: 0}


def test_open_waits_while_held():
    """Opening a slow file blocks as long as a blocked loop must to be seen."""
    service = services.get("files")
    tokens = [f"opened-{number}" for number in range(3)]
    service.prepare(tokens)
    service.hold()
    waited = []
    for token in tokens:
        began = time.monotonic()
        with open(Path(service.environment["DOCUMENTS"]) / token):
            waited.append(time.monotonic() - began)
    service.release()
    # the first may come just before an attempt; those after it come just after one
    assert min(waited[1:]) > 0.03


def test_upstream_holds_immediately():
    """The order goes another way than the request, and must not be overtaken by it."""
    service = services.get("upstream")
    place = urlsplit(service.environment["UPSTREAM_URL"])
    with socket.create_connection((place.hostname, place.port)) as asking:
        answers = asking.makefile("rb")
        for number in range(50):
            service.hold()
            asking.sendall(f"GET /items/quick-{number} HTTP/1.1\r\nhost: upstream\r\n\r\n".encode())
            until(lambda number=number: service.held() == [f"quick-{number}"], 20)
            service.release()
            length = next(int(line.split(b":")[1]) for line in answers if line.startswith(b"content-length"))
            answers.read(len(b"\r\n") + length)


def test_replies_differ_between_services():
    """The reply of one service can't be guessed from another's."""
    assert services.KINDS["upstream"] is not services.KINDS["redis"]
    assert services.get("upstream").reply("x") != services.get("redis").reply("x")


@pytest.mark.parametrize("name", ASK)
def test_dead_service_is_restarted(name):
    """A service that died is replaced by a new one, which serves."""
    before = services.get(name)
    before.stop()
    assert not before.alive
    after = services.get(name)
    assert after is not before
    after.prepare(["again"])
    assert ASK[name](after, "again") == after.reply("again")


@pytest.mark.parametrize("name", SERVERS)
def test_killed_server_is_replaced(name):
    """A server that is killed is unhealthy; another takes its place, and nothing of the first is left."""
    before = services.get(name)
    assert before.healthy()
    victims = descendants(before._embedded.process.pid) if hasattr(before, "_embedded") else [before._server.pid]
    os.kill(victims[0], signal.SIGKILL)
    until(lambda: not before.healthy())
    after = services.get(name)
    assert after is not before and after.healthy()
    # nothing of the first is left
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in victims))


@pytest.mark.posix
def test_held_lifeline_delays_no_stop(monkeypatch):
    """A server whose lifeline somebody else holds open is killed after a while: stopping it waited for ever."""
    monkeypatch.setattr(managed_server, "STOP_LIMIT_S", 0.5)
    service = services.get("redis")
    held = os.dup(service._embedded.process.stdin.fileno())
    victims = descendants(service._embedded.process.pid)
    try:
        service.stop()
        assert not service.alive
        if service._embedded.sandboxed:  # its sandbox ends with the supervisor
            until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in victims))
    finally:
        os.close(held)


def seen_from_outside(number, root):
    """Return the process id, outside the sandbox, of the descendant of ``root`` that has this id inside."""
    for pid in descendants(root):
        status = Path(f"/proc/{pid}/status").read_text()
        if next(int(line.split()[-1]) for line in status.splitlines() if line.startswith("NSpid:")) == number:
            return pid
    raise AssertionError(f"no process {number}")


def test_crashed_connection_makes_postgres_unhealthy():
    """PostgreSQL is unhealthy after one of its connections has crashed, and is replaced."""
    service = services.get("postgres")
    with psycopg.connect(service.url) as connection:
        os.kill(seen_from_outside(connection.info.backend_pid, service._embedded.process.pid), signal.SIGKILL)
        until(lambda: not service.healthy())
    assert services.get("postgres") is not service


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another user")
def test_upstream_serves_no_other_user():
    """Its port is open to everyone on this machine, and a URL with a secret breaks some HTTP clients."""
    service = services.get("upstream")
    ask = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).status)"
    command = [shutil.which("python3", path="/usr/bin") or sys.executable, "-c", ask, f"{service.url}/items/x"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "200\n"
    refused = subprocess.run(command, capture_output=True, text=True, user=65534, group=65534, extra_groups=[])
    assert refused.returncode and any(word in refused.stderr for word in ("RemoteDisconnected", "ConnectionReset"))


def test_late_order_ends_the_upstream(monkeypatch):
    """The late answer to an order would be taken for the answer to the next one: the process is replaced instead."""
    before = services.get("upstream")
    monkeypatch.setattr(upstream, "ORDER_LIMIT_S", 1.0)
    for process in [before._server.pid, *descendants(before._server.pid)]:
        os.kill(process, signal.SIGSTOP)
    with pytest.raises(ServiceError, match="does not answer"):
        before.hold()
    monkeypatch.undo()
    until(lambda: not before.alive)
    after = services.get("upstream")
    assert after is not before and httpx.get(f"{after.url}/items/x").status_code == 200


def test_rooms_are_secret_and_apart():
    with Rooms() as rooms:
        one, other = rooms.room(), rooms.room()
        httpx.post(f"{one}/gate/hold")
        prices = [httpx.get(f"{room}/gate/price/x").json() for room in (one, other)]
        assert httpx.get(f"{other}/items/x").json() == {"item": "x", "price": prices[1]} and prices[0] != prices[1]
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{one}/items/x", timeout=0.3)
        until(lambda: httpx.get(f"{one}/gate/arrived").json() == [])
        assert httpx.post(f"{one}/gate/open").json() == [] and httpx.get(f"{one}/items/x").json()["price"] == prices[0]
        for guessed in ("0123456789abcdef", "items", "gate", ""):
            assert httpx.post(f"{one.rpartition('/')[0]}/{guessed}/gate/hold").status_code == 404


def test_upstream_lists_a_bounded_number():
    service = services.get("upstream")
    service.hold()
    place = urlsplit(service.url)
    strangers = []
    for number in range(HELD_LIMIT + 50):
        strangers.append(socket.create_connection((place.hostname, place.port)))
        strangers[-1].sendall(f"GET /items/flood-{number} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    until(lambda: len(service.held()) == HELD_LIMIT)
    service.release()
    for stranger in strangers:
        assert stranger.recv(12) == b"HTTP/1.1 200"
        stranger.close()


def test_disconnected_request_is_not_held():
    """A request whose client disconnects is no longer held."""
    service = services.get("upstream")
    service.hold()
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{service.url}/items/impatient", timeout=0.3)
    until(lambda: service.held() == [])
    service.release()


def test_refused_call_gets_an_error():
    """A held call that's refused gets status 503, and no price. The next call for its token is held again, like all others."""
    service = services.get("upstream")
    service.hold()
    with ThreadPoolExecutor(3) as pool:
        address = service.environment["UPSTREAM_URL"]
        kept, refused = (
            pool.submit(httpx.get, f"{address}/items/{token}", timeout=60) for token in ("kept", "refused")
        )
        until(lambda: set(service.held()) == {"kept", "refused"})
        service.refuse(["refused"])
        assert refused.result().status_code == 503 and "price" not in refused.result().json()
        again = pool.submit(httpx.get, f"{address}/items/refused", timeout=60)
        until(lambda: set(service.held()) == {"kept", "refused"})
        assert not again.done() and not kept.done()
        service.refuse(["refused"])
        assert again.result().status_code == 503
        service.release(["kept"])
        assert kept.result().json()["price"] == service.reply("kept")
    service.release()


def test_upstream_fails_and_delays():
    """The upstream returns errors and slow bodies as requested."""
    service = services.get("upstream")
    failed = httpx.get(f"{service.url}/items/hat?status=503&size=5000")
    assert failed.status_code == 503 and len(failed.content) > 5000
    with httpx.stream("GET", f"{service.url}/items/hat?slow=0.5") as reply:
        began = time.monotonic()  # the head is here, the body is not
        pieces = list(reply.iter_raw())
    assert len(pieces) > 1 and time.monotonic() - began >= 0.3
    assert json.loads(b"".join(pieces)) == {"item": "hat", "price": service.reply("hat")}


@pytest.mark.mysql
def test_broken_mysql_query_is_unheld():
    """A query whose MySQL connection breaks is no longer held."""
    service = services.get("mysql")
    service.prepare(["impatient"])
    service.hold()
    with pytest.raises(pymysql.OperationalError):
        with pymysql.connect(**mysql.address(service.environment["MYSQL_URL"]), read_timeout=0.3) as connection:
            connection.cursor().execute("SELECT price_of('impatient')")
    until(lambda: service.held() == [])
    service.release()


def test_killed_command_is_not_held():
    """A command that is killed is no longer held."""
    service = services.get("commands")
    service.hold()
    process = subprocess.Popen([service.command, "impatient"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: service.held() == ["impatient"])
    process.kill()
    process.wait()
    until(lambda: service.held() == [])
    service.release()


def connect(name, environment):
    """Like an app that was given this environment: a function that runs a statement and gives the first value."""
    if name == "mysql":
        connection = pymysql.connect(**mysql.address(environment["MYSQL_URL"]), autocommit=True)
    elif name == "postgres":
        connection = psycopg.connect(environment["DATABASE_URL"], autocommit=True)
    else:
        client = redis.Redis.from_url(environment["REDIS_URL"], single_connection_client=True)
        return lambda command: client.connection.send_command(*command.split()) or client.connection.read_response()

    def do(statement):
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchone()[0]

    return do


HELLO = {"mysql": "SELECT 1", "postgres": "SELECT 1", "redis": "PING"}
BROKEN = (pymysql.OperationalError, psycopg.OperationalError, redis.ConnectionError)


@pytest.mark.parametrize("name", HELLO)
def test_leftover_connections_are_ended(name):
    """Connections that a judged app left open are ended before the next app starts."""
    service = services.get(name)
    served = connect(name, service.environment)  # by the notebook, and not to be judged
    left = connect(name, service.fresh_environment())
    assert left(HELLO[name])
    after = connect(name, service.fresh_environment())
    with pytest.raises(BROKEN):
        left(HELLO[name])
    if name == "redis":  # one user for both: what a notebook serves connects again
        served = connect(name, service.environment)
    assert after(HELLO[name]) and served(HELLO[name])


@pytest.mark.parametrize("name", ["mysql", "postgres"])
def test_leftover_queries_are_ended(name):
    """Queries that a judged app left waiting are ended before the next app starts."""
    service = services.get(name)
    service.prepare(["left"])
    service.hold()
    left = connect(name, service.fresh_environment())
    ended = []

    def ask():
        with pytest.raises(BROKEN):
            left("SELECT price_of('left')")
        ended.append(True)

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: service.held() == ["left"])
    service.fresh_environment()
    assert service.held() == []
    service.release()
    thread.join()
    assert ended


def test_judged_app_gets_empty_redis():
    """Each judged app finds Redis empty."""
    service = services.get("redis")
    connect("redis", service.fresh_environment())("SET left behind")
    assert connect("redis", service.fresh_environment())("DBSIZE") == 0


FORBIDDEN = {
    "mysql": [
        "SELECT price FROM items", "SELECT token FROM asked", "CREATE TABLE mine (a INT)", "SET GLOBAL max_connections = 1",
        "DROP FUNCTION price_of", "SELECT user FROM mysql.user", "SHUTDOWN",
    ],
    "postgres": [
        "SELECT price FROM items", "DROP TABLE items", "ALTER SYSTEM SET max_connections = 1", "CREATE TABLE mine (a int)",
        "ALTER ROLE guest SUPERUSER", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'judge'",
    ],
    "redis": [
        "CONFIG SET maxclients 1", "FLUSHALL", "FLUSHDB", "SHUTDOWN NOSAVE", "CLIENT KILL TYPE normal", "CLIENT PAUSE 60000",
        "SCRIPT FLUSH", "FUNCTION FLUSH", "ACL SETUSER guest +@all", "MONITOR", "SWAPDB 0 1", "REPLICAOF 127.0.0.1 1",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", FORBIDDEN)
def test_judged_app_cannot_spoil_server(name):
    """A judged app can't change a server for the app after it."""
    service = services.get(name)
    do = connect(name, service.fresh_environment())
    for statement in FORBIDDEN[name]:
        with pytest.raises(Exception, match="(?i)denied|permission|must be owner|no permissions"):
            do(statement)
    assert do(HELLO[name]) and service.alive


@pytest.mark.parametrize("name", FORBIDDEN)
def test_only_owner_is_administrator(name):
    """Only the owner of a server can connect as its administrator."""
    ((key, url),) = services.get(name).fresh_environment().items()
    admin = {"mysql": "root", "postgres": "judge", "redis": "judge"}[name]
    scheme, _, place = url.partition("://")
    password = f":{urlsplit(url).password or 'x'}"
    for secret in (password, ""):
        with pytest.raises(Exception, match="(?i)denied|no password|username-password|password authentication|auth"):
            connect(name, {key: f"{scheme}://{admin}{secret}@{place.rpartition('@')[2]}"})(HELLO[name])


@pytest.mark.parametrize("name", FORBIDDEN)
def test_other_users_need_the_secret(name):
    """Anyone on this machine can reach a port of loopback: without the secret in the URL no one is let in."""
    ((key, url),) = services.get(name).fresh_environment().items()
    scheme, _, place = url.partition("://")
    for user in ("guest", "shop", "default", "guest:x", "shop:x", "default:x", ":x", ""):
        with pytest.raises(
            Exception, match="(?i)denied|no password|username-password|password authentication|auth|exist|no pg_hba"
        ):
            connect(name, {key: f"{scheme}://{user}@{place.rpartition('@')[2]}"})(HELLO[name])
    assert connect(name, {key: url})(HELLO[name])


@pytest.mark.parametrize("name", ["commands", "work"])
def test_gate_requires_its_secret(name):
    """The gate answers no connection that doesn't know its secret."""
    service = services.get(name)
    service.hold()
    for line in (b"token\n", b"x token\n", b" token\n", service.secret.encode() + b"\n", bytes(10_000)):
        with socket.create_connection(("127.0.0.1", service.port)) as stranger, contextlib.suppress(OSError):
            stranger.sendall(line)
            assert stranger.recv(100) == b""
    assert service.held() == []
    service.release()
    assert ASK[name](service, "honest") == service.reply("honest")


def test_gate_bounds_its_connections():
    """An app that opens thousands of connections costs the judge neither threads nor descriptors without limit."""
    service = services.get("work")
    service.hold()
    before = threading.active_count()
    strangers = []
    for number in range(gate.CONNECTIONS_LIMIT + 100):
        stranger = socket.create_connection(("127.0.0.1", service.port))
        strangers.append(stranger)
        with contextlib.suppress(OSError):
            stranger.sendall(f"{service.secret} flood-{number}\n".encode())
    until(lambda: len(service.held()) >= gate.CONNECTIONS_LIMIT)
    assert threading.active_count() <= before and len(service.held()) == gate.CONNECTIONS_LIMIT
    for stranger in strangers:
        stranger.close()
    until(lambda: service.held() == [])
    service.release()
    assert ASK["work"](service, "honest") == service.reply("honest")


OWNER = """
import sys
from autograder import services
service = services.get(sys.argv[1])
print(service._embedded.process.pid if hasattr(service, "_embedded") else service._server.pid, flush=True)
print(service._embedded.folder if hasattr(service, "_embedded") else "-", flush=True)
sys.stdin.read()
"""


@pytest.mark.posix
@pytest.mark.parametrize("name", SERVERS)
def test_services_end_with_their_owner(name):
    """When the owner of a service is killed, its process and its folder are removed."""
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


def test_failed_server_start_is_explained():
    """A server that doesn't start gives one message with its last words."""
    server = ManagedServer("tea")
    with pytest.raises(ServiceError, match="tea did not start: not yet"):
        server.start([sys.executable, "-c", "pass"], ready=lambda: (_ for _ in ()).throw(OSError("not yet")))
    assert not server.folder.exists()
    with pytest.raises(ServiceError, match="could not be set up: no leaves"):
        ManagedServer("tea").run(["/bin/sh", "-c", "echo no leaves; exit 1"])


def test_absent_external_server_is_reported(monkeypatch):
    """An external server that doesn't answer is reported."""
    monkeypatch.setenv("COURSE_REDIS_URL", "redis://127.0.0.1:1")
    with pytest.raises(ServiceError, match="does not answer"):
        services.KINDS["redis"]()
    monkeypatch.setenv("COURSE_MYSQL_URL", "mysql://me@127.0.0.1:1/x")
    with pytest.raises(ServiceError, match="does not answer"):
        services.KINDS["mysql"]()
    monkeypatch.setenv("COURSE_POSTGRES_URL", "postgresql://127.0.0.1:1/x")
    with pytest.raises(ServiceError, match="does not answer"):
        services.KINDS["postgres"]()


def test_missing_mysql_is_explained(monkeypatch, tmp_path):
    """Without MySQL one message says how to get it; the other services go on."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(mysql, "PLACES", ())
    with pytest.raises(ServiceError, match="There is no MySQL or MariaDB.*mariadb-server.*COURSE_MYSQL_URL"):
        services.KINDS["mysql"]()
    services.get("upstream")  # everything else goes on


@pytest.mark.mysql
def test_a_mysql_of_ones_own(monkeypatch):
    """Given by its URL, it is asked as the embedded one is; its other connections are left alone."""
    host = services.get("mysql")
    host._do("CREATE DATABASE IF NOT EXISTS theirs")
    host._do("CREATE USER IF NOT EXISTS teacher@'%' IDENTIFIED BY 'p@ss/word'")
    host._do("GRANT ALL ON theirs.* TO teacher@'%'")
    address = host.url.partition("@")[2].partition("/")[0]
    monkeypatch.setenv("COURSE_MYSQL_URL", f"mysql://teacher:p%40ss%2Fword@{address}/theirs")
    service = services.KINDS["mysql"]()
    bystander = connect("mysql", service.environment)
    assert service.fresh_environment() == service.environment
    service.prepare(["first"])
    assert ask_mysql(service, "first") == service.reply("first") and bystander("SELECT 1")
    service.hold()
    thread = threading.Thread(target=ask_mysql, args=(service, "first"))
    thread.start()
    until(lambda: service.held() == ["first"])
    service.release()
    thread.join()
    service.stop()
    assert host.alive and not service.alive
    # its own tables it makes anew; anybody else's it leaves alone
    services.KINDS["mysql"]().stop()
    host._do("DROP TABLE theirs.items")
    host._do("CREATE TABLE theirs.items (precious INT)")
    with pytest.raises(ServiceError, match="Name an empty database"):
        services.KINDS["mysql"]()
    assert host._do("SELECT precious FROM theirs.items") == []


def test_foreign_tables_are_left_alone(monkeypatch):
    """A database with another program's tables is refused, and the tables stay."""
    host = services.get("postgres")
    host._do("DROP DATABASE IF EXISTS theirs")
    host._do("CREATE DATABASE theirs OWNER shop")
    monkeypatch.setenv("COURSE_POSTGRES_URL", host.url.rpartition("/")[0] + "/theirs")
    for _ in range(2):
        services.KINDS["postgres"]().stop()
    with psycopg.connect(os.environ["COURSE_POSTGRES_URL"], autocommit=True) as theirs:
        theirs.execute("DROP TABLE items")
        theirs.execute("CREATE TABLE items (precious integer)")
        with pytest.raises(ServiceError, match="Name an empty database"):
            services.KINDS["postgres"]()
        assert theirs.execute("SELECT precious FROM items").fetchall() == []


@pytest.mark.parametrize("job", services.JOBS)
def test_job_results_match_the_judge(job, monkeypatch):
    """A job gives the result that the judge knows; with another start number the result differs."""
    service, work = services.get("work"), services.JOBS[job]
    monkeypatch.setenv("WORKSHOP", service.environment["WORKSHOP"])
    found = {token: work(token) for token in ("one", "two", "three")}
    assert found == {token: service.result(job, token) for token in found}
    assert len(set(found.values())) == 3
    # nobody keeps the books: a token always means the same work
    monkeypatch.delenv("WORKSHOP")
    assert work("one") == work("one") != found["one"]
