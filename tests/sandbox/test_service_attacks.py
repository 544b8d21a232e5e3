"""What an app can do to the services that it may reach: it gains nothing, and the next app finds them as new.

Each attack is what a submission could send. First they are run straight against the services, then as submissions with
honest neighbours on the same worker.
"""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import capabilities
import nbformat
import psycopg
import pymysql
import pytest
import redis
from helpers import until
from selection import ONE_IN, chosen

from autograder import paths, services
from autograder.classroom import worker_pool
from autograder.judge.judge import Judge
from autograder.judge.served_app import ServedApp
from autograder.judge.spec.exercise import load
from autograder.programs import syscall_filter
from autograder.programs.procfs import descendants
from autograder.sandbox import levels
from autograder.services import ServiceError, database, gate, mysql, postgres
from autograder.services.files import Files
from autograder.services.gate import HELD_LIMIT

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="servers are sandboxed on Linux only")

DENIED = "(?i)permission denied|must be|denied|no permissions|not allowed"


def guest(name):
    """(the service, a connection to it like a judged app's), made as new."""
    service, environment = services.fresh(name)
    ((_, url),) = environment.items()
    if name == "postgres":
        return service, psycopg.connect(url, autocommit=True)
    if name == "mysql":
        return service, pymysql.connect(**mysql.address(url), autocommit=True)
    return service, redis.Redis.from_url(url, socket_timeout=60)


def rows(connection, statement):
    """What a statement gives, as a list of rows."""
    cursor = connection.cursor()
    cursor.execute(statement)
    return list(cursor.fetchall()) if cursor.description else []


def serves(name):
    """Assert that the service works for the next correct app, and return it."""
    service, app = guest(name)
    service.prepare(["honest"])
    if name == "redis":
        app.rpush("jobs", "honest")
        assert int(app.blpop("reply:honest", timeout=60)[1]) == service.reply("honest")
    else:
        assert rows(app, "SELECT price_of('honest')")[0][0] == service.reply("honest")
    app.close()
    return service


ESCAPE = [
    "CREATE FUNCTION pg_temp.evil() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$",
    "CREATE TEMP VIEW items AS SELECT 'x'::text AS token, 1 AS price, 1::bigint AS key",
    "CREATE TEMP TABLE items (token text, price int, key bigint)",
    "CREATE FUNCTION public.evil() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA evil",
    "DO $$ BEGIN RAISE NOTICE 'code'; END $$",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "SELECT pg_read_file('/etc/passwd')",
    "SET ROLE keeper",
    "SET SESSION AUTHORIZATION judge",
    "ALTER FUNCTION price_of(text) OWNER TO guest",
    "CREATE EXTENSION dblink",
    "SELECT lo_create(0)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_lock_shared(1, 2)",
    "SELECT pg_advisory_xact_lock(1)",
    "SELECT * FROM pg_locks",
    "SELECT * FROM pg_lock_status()",
    "SELECT key FROM items",
    "SELECT token FROM items FOR UPDATE",
    "SELECT pg_logical_emit_message(false, 'a', 'b')",
    "SELECT rolpassword FROM pg_authid",
]


@pytest.mark.parametrize("statement", ESCAPE)
def test_postgres_guest_has_no_rights(statement):
    """The app's user of PostgreSQL can neither create anything nor read what isn't its own."""
    _, app = guest("postgres")
    with app, pytest.raises(psycopg.Error, match=DENIED):
        rows(app, statement)


def test_postgres_functions_run_without_rights():
    """No function that an app may call runs as a superuser, or searches the caller's temporary schema first."""
    service = services.get("postgres")
    found = service._do(
        "SELECT proname, rolsuper OR rolcreaterole OR rolcreatedb OR rolcanlogin, proconfig::text FROM pg_proc "
        "JOIN pg_roles ON pg_roles.oid = proowner WHERE prosecdef"
    )
    assert found == [("price_of", False, '{"search_path=pg_catalog, public, pg_temp"}')]
    assert service._do("SELECT count(*) FROM pg_auth_members WHERE roleid::regrole::text !~ '^pg_'") == [(0,)]


LASTING = [
    "ALTER ROLE guest SET lock_timeout = '1ms'",
    "ALTER ROLE guest SET statement_timeout = '1ms'",
    "ALTER ROLE guest SET search_path = pg_temp",
    "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC",
    "ALTER ROLE guest PASSWORD 'mine'",
    "LISTEN everything",
]


@pytest.mark.parametrize("statement", LASTING)
def test_postgres_role_leaves_nothing_behind(statement):
    _, app = guest("postgres")
    with app:
        rows(app, statement)
    service = serves("postgres")
    _, following = guest("postgres")
    with following:
        assert rows(following, "SHOW lock_timeout") == [("0",)] and rows(following, "SHOW statement_timeout") == [
            ("0",)
        ]
    assert service._do("SELECT count(*) FROM pg_default_acl") == service._do("SELECT count(*) FROM pg_db_role_setting")


def test_changed_postgres_is_replaced():
    """Should an app ever find a way to leave something, the next one gets another server."""
    before = services.get("postgres")
    before._do("CREATE TABLE left_behind (a int)")
    assert serves("postgres") is not before and not before.alive


def test_postgres_temporary_files_are_limited():
    _, app = guest("postgres")
    with app, pytest.raises(psycopg.Error, match="temporary file size exceeds"):
        rows(app, "SELECT count(*) FROM (SELECT i, md5(i::text) FROM generate_series(1, 1000000) AS i ORDER BY 2) AS x")


def test_postgres_judge_statement_times_out():
    """An app that holds a lock delays the judge's statements only until their timeout."""
    service = services.get("postgres")
    assert service._do("SHOW statement_timeout") == [(f"{database.STATEMENT_LIMIT_S:.0f}s",)]
    service._do("SET statement_timeout = '100ms'")
    with pytest.raises(ServiceError, match="statement timeout"):
        service._do("SELECT pg_sleep(600)")
    service.stop()


def test_postgres_lock_left_behind_ends(monkeypatch):
    """A statement that is cancelled between the two halves of a call leaves its lock to the session, for which the judge waited."""
    monkeypatch.setattr(postgres, "LOCK_LIMIT_S", 0.2)
    service, app = guest("postgres")
    service.prepare(["known"])
    service._do("GRANT EXECUTE ON FUNCTION pg_advisory_lock_shared(bigint) TO guest")  # instead of many attempts
    try:
        rows(app, f"SELECT pg_advisory_lock_shared({service._keys['known']})")
        began = time.monotonic()
        service.hold()
        assert time.monotonic() - began < 10
        with pytest.raises(psycopg.OperationalError):
            rows(app, "SELECT 1")
    finally:
        service.release()
        service._do("REVOKE EXECUTE ON FUNCTION pg_advisory_lock_shared(bigint) FROM guest")
        app.close()
    serves("postgres")


def test_postgres_spares_other_locks(monkeypatch):
    """In a teacher's own database, another program's advisory lock is neither waited for nor ended with its session."""
    monkeypatch.setattr(postgres, "LOCK_LIMIT_S", 0.0)
    service, app = guest("postgres")
    service.prepare(["known"])
    service._do("GRANT EXECUTE ON FUNCTION pg_advisory_lock_shared(bigint) TO guest")
    try:
        rows(app, f"SELECT pg_advisory_lock_shared({service._keys['known'] ^ 1})")
        service.hold()
        assert rows(app, "SELECT 1") == [(1,)]
    finally:
        service.release()
        service._do("REVOKE EXECUTE ON FUNCTION pg_advisory_lock_shared(bigint) FROM guest")
        app.close()
    serves("postgres")


@pytest.mark.mysql
def test_mysql_lock_left_behind_ends():
    """Of a connection that keeps the lock of a token, the judge waited ten seconds, and then gave up."""
    service, app = guest("mysql")
    service.prepare(["known"])
    try:
        rows(app, f"SELECT GET_LOCK('{service._locks['known']}', 0)")
        service.hold()
        with pytest.raises(pymysql.Error):
            rows(app, "SELECT 1")
    finally:
        service.release()
    serves("mysql")


def test_unanswered_pipes_are_closed(monkeypatch):
    """A reader of a file beyond those that are held, or of a race that is over, cost the judge an open file for good."""
    monkeypatch.setattr(gate, "HELD_LIMIT", 3)
    service = Files()
    try:
        service.prepare(["known"])
        before = len(os.listdir("/proc/self/fd"))
        service.hold()
        for count in range(1, 9):
            reader = os.open(service.folder / "known", os.O_RDONLY | os.O_NONBLOCK)
            until(lambda count=count: service.calls(["known"])["known"] == count)
            os.close(reader)
        service.hold()
        assert len(os.listdir("/proc/self/fd")) <= before
    finally:
        service.release()
        service.stop()


def test_silent_server_is_given_up(monkeypatch):
    """A backend that is stopped answers nothing, not even that the time is over."""
    monkeypatch.setattr(database, "ANSWER_LIMIT_S", 0.5)
    service = services.get("postgres")
    for pid in descendants(service._embedded.process.pid):
        os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ServiceError):
        service._do("SELECT 1")
    for pid in descendants(service._embedded.process.pid):
        with contextlib.suppress(ProcessLookupError):  # the supervisor ends it at the same moment
            os.kill(pid, signal.SIGKILL)
    assert serves("postgres") is not service


@pytest.fixture
def sandboxed():
    """Skips where bubblewrap doesn't work: there servers are processes like any other."""
    from autograder.sandbox import server_profile

    if why := server_profile.unavailable():
        pytest.skip(f"no sandbox for servers: {why}")


@pytest.mark.usefixtures("sandboxed")
def test_postgres_superuser_reaches_nothing():
    """Even a superuser of PostgreSQL can't run programs, read the course's files, or use the network."""
    service = services.get("postgres")
    outside = str(paths.ROOT / "pyproject.toml")
    for program in ("id", "/bin/sh -c id", f"{sys.executable} --version"):
        with pytest.raises(ServiceError):
            service._do("CREATE TEMP TABLE said (line text)")
            service._do(f"COPY said FROM PROGRAM '{program}'")
        if service._do("SELECT to_regclass('said')")[0][0]:
            service._do("DROP TABLE said")
    for file in (outside, "/etc/shadow", "/etc/passwd", "/proc/1/environ"):
        with pytest.raises(ServiceError):
            service._do(f"SELECT pg_read_file('{file}')")
    found = {name for (name,) in service._do("SELECT pg_ls_dir('/')")}
    packages = Path(sys.prefix)  # PostgreSQL is in them, so there's an otherwise empty way to them
    for name in found & {"home", "bin", "root", "srv", "var"}:
        folder = Path("/", name)
        while folder in packages.parents:
            inside = {name for (name,) in service._do(f"SELECT pg_ls_dir('{folder}')")}
            assert inside == {packages.relative_to(folder).parts[0]}, (folder, inside)
            folder /= inside.pop()
        assert folder == packages, folder
    network = service._do("SELECT pg_read_file('/proc/self/net/dev', 0, 10000)")[0][0]
    assert [line.split(":")[0].strip() for line in network.splitlines()[2:]] == ["lo"]
    service.stop()


@pytest.mark.usefixtures("sandboxed")
@pytest.mark.parametrize("name", ["postgres", "redis", "mysql"])
def test_server_has_no_privileges(name):
    """A service runs as a user of its own, without capabilities and with filtered system calls."""
    service = services.get(name)
    pids = descendants(service._embedded.process.pid)
    told = [dict(line.split(":\t") for line in open(f"/proc/{pid}/status") if ":\t" in line) for pid in pids]
    servers = [status for status in told if status["Name"].strip() != "bwrap"]
    assert servers
    for status in servers:
        assert int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0, status
        assert status["NoNewPrivs"].strip() == "1"
        assert status["Seccomp"].strip() == "2" or syscall_filter.program() is None, "system calls are filtered"
        if os.geteuid() == 0:
            assert int(status["CapBnd"], 16) == 0
            ids = {*status["Uid"].split(), *status["Gid"].split()}
            assert len(ids) == 1 and int(ids.pop()) >= 61000 and not status["Groups"].split(), status


MYSQL_DENIED = [
    "SELECT 'x' INTO OUTFILE '/tmp/course-loot'",
    "SELECT LOAD_FILE('/etc/passwd') FROM items",
    "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE items",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE items",
    "CREATE TEMPORARY TABLE mine (a INT)",
    "CREATE FUNCTION evil() RETURNS INT RETURN 1",
    "SELECT key_name FROM items",
    "INSERT INTO asked VALUES (1, 'x', 1, 'x')",
    "SET GLOBAL innodb_lock_wait_timeout = 1",
    "INSTALL SONAME 'ha_connect'",
    "SHOW GRANTS FOR keeper@localhost",
    "KILL 1",
]


@pytest.mark.parametrize("statement", MYSQL_DENIED)
def test_mysql_guest_has_no_rights(statement):
    """The app's user of MySQL can neither create anything nor read what isn't its own."""
    _, app = guest("mysql")
    with app, pytest.raises(pymysql.Error):
        rows(app, statement)


def test_mysql_reads_no_files():
    """Not even MySQL's administrator can read files of the machine."""
    service, app = guest("mysql")
    with app:
        assert rows(app, "SELECT LOAD_FILE('/etc/passwd')") == [(None,)]
    assert service._do("SELECT LOAD_FILE('/etc/passwd')") == [(None,)], "not even for the administrator"


def test_mysql_lock_names_are_random():
    """The names of the judge's locks are random: an app that takes locks of all tokens takes none of them."""
    service, app = guest("mysql")
    service.prepare(["wanted"])
    with app:
        assert rows(app, "SELECT GET_LOCK('wanted', 1)") == [(1,)]
        began = time.monotonic()
        service.hold()
        service.release()
    assert service._locks["wanted"] != "wanted" and time.monotonic() - began < 10
    serves("mysql")


def test_mysql_user_needs_its_password():
    """A list of processes or a log may show a user's name; MariaDB wants its password as well."""
    service, environment = services.fresh("mysql")
    if "mariadb" not in service._do("SELECT VERSION()")[0][0].lower():
        pytest.skip("MySQL's users have no password")
    for url in (service.url, environment["MYSQL_URL"]):
        found = mysql.address(url)
        with pymysql.connect(**found):
            pass
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            pymysql.connect(**{**found, "password": ""})


def test_mysql_user_leaves_nothing_behind():
    _, app = guest("mysql")
    with app:
        rows(app, "SET PASSWORD = PASSWORD('mine')")
        name = rows(app, "SELECT USER()")[0][0].partition("@")[0]
    service = serves("mysql")
    assert service._do("SELECT count(*) FROM mysql.user WHERE user = %s", [name]) == [(0,)]


def push(*jobs):
    """An attack that puts these values on the list of jobs."""
    return lambda app: app.rpush("jobs", *jobs)


REDIS_ATTACKS = {
    "a job that is not text": push(b"\xff\xfe"),
    "jobs of every kind of bytes": lambda app: app.rpush("jobs", *(bytes([n, 255 - n]) for n in range(256))),
    "a text in place of the list": lambda app: app.set("jobs", "x"),
    "a hash in place of the list": lambda app: app.hset("jobs", "x", "y"),
    "a wrong type again and again": lambda app: [app.set("jobs", "x") for _ in range(300)],
    "a long job": push(b"x" * (1 << 19)),
    "a wrong type in place of a reply": lambda app: app.set("reply:honest", "x"),
    "a script": lambda app: app.eval("return redis.call('SET', 'reply:honest', 'x')", 0),
    "a long script": lambda app: app.eval("local x = 0 for i = 1, 30000000 do x = x + i end return x", 0),
    "blocked readers": lambda app: [
        threading.Thread(target=read_for_ever, args=(app,), daemon=True).start() for _ in range(20)
    ],
    "much memory": lambda app: [app.set(f"big{n}", b"x" * 1_000_000) for n in range(200)],
}


def read_for_ever(app):
    """Wait for a job like the judge's own worker, to take it away."""
    with contextlib.suppress(redis.RedisError):
        app.blpop(["jobs", "never"], timeout=60)


@pytest.mark.parametrize("attack", REDIS_ATTACKS)
def test_redis_survives_each_attack(attack):
    """After each attack Redis serves the next app."""
    _, app = guest("redis")
    try:
        REDIS_ATTACKS[attack](app)
    except redis.RedisError:
        pass  # it was refused
    serves("redis")


@pytest.mark.parametrize("attack", ["a job that is not text", "a text in place of the list", "a long job"])
def test_redis_worker_outlives(attack):
    """The service says that it's alive if, and only if, the thread that answers jobs still does."""
    service, app = guest("redis")
    REDIS_ATTACKS[attack](app)
    until(lambda: not app.exists("jobs"), 20)  # the worker has taken it, or thrown it away
    app.rpush("jobs", "same app")
    assert int(app.blpop("reply:same app", timeout=60)[1]) == service.reply("same app")
    assert service.alive


def test_ended_redis_worker_is_noticed(monkeypatch):
    """A worker of Redis that ended is noticed, and the service is replaced."""
    service = services.get("redis")
    monkeypatch.setattr(service, "arrive", lambda *_: 1 / 0)
    told = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    redis.Redis.from_url(service.url).rpush("jobs", "x")
    until(lambda: not service.alive and told)
    assert serves("redis") is not service


def test_endless_redis_script_is_ended(monkeypatch):
    """A script that never ends costs its server; the next app gets a new one."""
    before, app = guest("redis")

    def run():
        with contextlib.suppress(redis.RedisError, OSError):
            app.eval("while true do end", 0)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    with redis.Redis.from_url(before.url, socket_timeout=1) as other:
        until(lambda: is_stuck(other))
    assert serves("redis") is not before
    thread.join(30)
    assert not thread.is_alive()


def is_stuck(client):
    """Return True if Redis doesn't respond."""
    try:
        client.ping()
    except redis.RedisError:
        return True
    return False


REDIS_DENIED = [
    "CONFIG GET requirepass", "CONFIG SET dir /tmp", "MODULE LIST", "MODULE LOAD /tmp/x.so", "DEBUG SLEEP 5", "ACL LIST",
    "SCRIPT FLUSH", "SCRIPT KILL", "FUNCTION LOAD x", "FUNCTION LIST", "CLIENT LIST", "CLIENT KILL TYPE normal",
    "CLIENT NO-EVICT ON", "SAVE", "BGSAVE", "BGREWRITEAOF", "SHUTDOWN", "REPLICAOF no one", "MIGRATE 127.0.0.1 1 x 0 1",
    "RESTORE x 0 y", "SLOWLOG GET", "LATENCY RESET", "MONITOR", "SYNC", "PSYNC ? -1", "FAILOVER",
]  # fmt: skip


@pytest.mark.parametrize("command", REDIS_DENIED)
def test_redis_guest_has_no_power(command):
    """The app's user of Redis may run no command that concerns the whole server."""
    _, app = guest("redis")
    with pytest.raises(redis.RedisError, match="(?i)permission|denied|not allowed"):
        app.execute_command(*command.split())


def test_flood_of_jobs_is_bounded():
    """A flood of jobs is taken from the queue, and a bounded number is held."""
    service, app = guest("redis")
    service.hold()
    for start in range(0, 3 * HELD_LIMIT, 500):
        app.rpush("jobs", *(f"job-{start + n}" for n in range(500)))
    until(lambda: app.llen("jobs") == 0)
    until(lambda: len(service.held()) == HELD_LIMIT)
    service.release()
    serves("redis")


FLOOD = """
import fcntl, json, os, stat, threading
from fastapi import FastAPI
app = FastAPI()
PLACE = {"file": "x" * 1900, "line": 1, "code": "x", "function": "x", "callee": "", "collection": "", "lifespan": False, "seconds": 0.0}
REPORT = REPORT_HERE
def flood(fd):
    while True:
        os.write(fd, b"".join(json.dumps(REPORT).encode() + b"\\n" for n in range(50)))
@app.get("/reports/{number}")
async def report(number: int, wait: float):
    for fd in range(3, 40):
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
                threading.Thread(target=flood, args=(fd,), daemon=True).start()
        except OSError:
            pass
    import asyncio
    await asyncio.sleep(60)
"""
REPORTS = {
    "thread cpu": '{"kind": "thread cpu", "seconds": 0.0, "where": [PLACE]}',
    "iteration": '{"kind": "iteration", "start": 0.0, "end": 1e9, "over": True, "waited": 0.0, "threads_waited": 0.0, "paged": 0.0, '
    '"phase": "serving", "modules": 1, "tasks": 1, "longest_task": 0.0, "longest_collection": 0.0, "where": [PLACE] * 10}',
    "error": '{"kind": "error", "path": "x", "type": "E", "message": "m", "where": [PLACE]}',
    "nonsense": '{"kind": "x" * 9000}',
}


@pytest.mark.parametrize("kind", REPORTS)
async def test_flood_of_reports_fails(tmp_path, kind):
    """An app that floods the judge with messages fails, and the diagnosis says why."""
    exercise = load(paths.SOLUTIONS / "01_sleeping")
    endpoint = exercise.endpoint("report")
    file = tmp_path / endpoint.file
    file.write_text(FLOOD.replace("REPORT_HERE", REPORTS[kind]))
    async with ServedApp(file, endpoint.services) as served:
        verdict = await Judge(file, endpoint, served).verdict_with_retries("concurrency")
    assert verdict.outcome == "fail" and "a flood of messages" in verdict.diagnosis, verdict


async def test_ended_service_costs_no_point():
    """If a service ends, the verdict is an ERROR: the app still uses its old address, and a new service wouldn't see its calls."""
    exercise = load(paths.SOLUTIONS / "04_redis")
    endpoint = exercise.endpoint("job")
    file = exercise.answer_file(endpoint, "reference")
    async with ServedApp(file, endpoint.services) as served:
        await served.app()
        services.get("redis").stop()
        judge = Judge(file, endpoint, served)
        verdict = await judge.answers()
        assert verdict.outcome == "error" and "(redis) ended" in verdict.diagnosis, verdict
        assert (await judge.answers()).outcome == "pass"


@pytest.mark.heavy
async def test_repeated_damage_needs_a_person(tmp_path):
    """A FAIL that is turned into an ERROR earns nothing, and says why."""
    exercise = load(paths.SOLUTIONS / "04_redis")
    endpoint = exercise.endpoint("job")
    file = tmp_path / endpoint.file
    file.write_text(
        "import os, redis, threading\nfrom fastapi import FastAPI\napp = FastAPI()\n"
        "client = redis.Redis.from_url(os.environ['REDIS_URL'])\n@app.post('/jobs/{token}')\nasync def job(token: str):\n"
        "    client.eval('while true do end', 0)\n"
    )
    async with ServedApp(file, endpoint.services) as served:
        verdict = await Judge(file, endpoint, served).verdict_with_retries("answers")
    assert verdict.outcome == "error" and verdict.points(1) == 0
    assert "(redis) ended in " in verdict.diagnosis and "Look at what the app sends" in verdict.diagnosis, verdict
    serves("redis")


# --- as submissions

FLOOD_AT_IMPORT = (
    "import fcntl, json, os, stat, threading\ndef flood(fd):\n    n = 0\n    while True:\n        n += 1\n"
    "        os.write(fd, json.dumps({'event': 'busy', 'seconds': 0.0, 'where': [{'file': 'x' * 1900, 'line': n, 'code': 'x'}]}).encode()"
    " + b'\\n')\nfor fd in range(3, 40):\n    try:\n        if stat.S_ISFIFO(os.fstat(fd).st_mode) and fcntl.fcntl(fd, "
    "fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:\n            threading.Thread(target=flood, args=(fd,), daemon=True).start()\n"
    "    except OSError: pass\n"
)
PRINTS = (
    "import os, threading\ndef flood(fd):\n    while True: os.write(fd, b'x' * 65536)\n"
    "for fd in (1, 2): threading.Thread(target=flood, args=(fd,), daemon=True).start()\n"
)
CROWD = (
    "import os, socket\nfrom urllib.parse import urlsplit\nu = urlsplit(os.environ['UPSTREAM_URL'])\nfor _ in range(5):\n"
    "    kept = []\n    try:\n        for _ in range(450):\n            kept.append(socket.create_connection((u.hostname, u.port)))\n"
    "            kept[-1].sendall(b'GET /items/x?wait=3600 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n        kept[-1].settimeout(0.2)\n"
    "        kept[-1].recv(1)\n    except OSError: pass\n    for one in kept: one.close()\n"
)
HANDED_IN = {
    "01_sleeping": {"flood of reports": FLOOD_AT_IMPORT, "flood of prints": PRINTS},
    "02_calling_http": {"crowd in the upstream": CROWD},
    "03_databases": {
        "superuser": 'import os, psycopg2\nc = psycopg2.connect(os.environ["DATABASE_URL"]); c.autocommit = True\nk = c.cursor()\n'
        "for s in ('CREATE TEMP TABLE said(line text)', \"COPY said FROM PROGRAM 'id'\"):\n    try:\n        k.execute(s)\n"
        "        print('SAW', s, flush=True)\n    except psycopg2.Error: pass\n",
        "role settings": 'import os, psycopg2\nc = psycopg2.connect(os.environ["DATABASE_URL"]); c.autocommit = True\n'
        "c.cursor().execute(\"ALTER ROLE guest SET lock_timeout = '1ms'\")\n",
        "all connections": 'import os, psycopg2\nc = []\ntry:\n    while True: c.append(psycopg2.connect(os.environ["DATABASE_URL"]))\n'
        "except psycopg2.Error: pass\n",
    },
    "04_redis": {
        "bytes": 'import os, redis\nredis.Redis.from_url(os.environ["REDIS_URL"]).rpush("jobs", b"\\xff\\xfe")\n',
        "wrong type": 'import os, redis, threading, time\nr = redis.Redis.from_url(os.environ["REDIS_URL"])\ndef spoil():\n    while True:\n'
        '        r.delete("jobs"); r.set("jobs", "x"); time.sleep(0.01)\nthreading.Thread(target=spoil, daemon=True).start()\n',
        "endless script": 'import os, redis, threading\nr = redis.Redis.from_url(os.environ["REDIS_URL"])\n'
        'threading.Timer(1, lambda: r.eval("while true do end", 0)).start()\n',
    },
}
TASK_OF = {"01_sleeping": "report", "02_calling_http": "price", "03_databases": "item", "04_redis": "job"}


def handed_in(folder, lesson, attack, answer):
    """A submitted notebook whose first app begins with ``attack``. The others don't start, because nothing is to be seen there."""
    exercise = load(paths.SOLUTIONS / lesson)
    notebook = nbformat.read(paths.NOTEBOOKS / lesson / f"exercise_{lesson}.ipynb", 4)
    endpoint = exercise.endpoint(TASK_OF[lesson])
    sources = {other.cell: f"%%app {other.file}\nraise SystemExit" for other in exercise.endpoints}
    sources[endpoint.cell] = f"%%app {endpoint.file}\n{attack}" + exercise.answer_file(endpoint, answer).read_text()
    for cell in notebook.cells:
        cell.source = sources.get(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source)
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / "x.ipynb")
    return str(folder / "x.ipynb"), endpoint


def graded_in_class(jobs, level, folder):
    """{name: result} of jobs that one worker grades, one after the other, as in a class."""
    results = {}
    pool = worker_pool.LocalPool(1, level, folder / "log")
    asyncio.run(pool.run(jobs, lambda job, result: results.update({job.id: result})))
    return results


def graded_by_command(jobs, level, folder):
    """{name: result} of jobs that ``./course grade`` grades, all in one process."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "autograder",
        "grade",
        *(job.file for job in jobs),
        "--json",
        "--isolation",
        level,
    ]
    done = subprocess.run(
        command, cwd=paths.ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(paths.ROOT)}
    )
    assert done.returncode == 1, done.stderr
    return {job.id: result for job, result in zip(jobs, json.loads(done.stdout)["submissions"], strict=True)}


def _ways():
    """(way of grading, level, lesson), each with each."""
    lists = ([graded_in_class, graded_by_command], capabilities.isolation_levels(), list(HANDED_IN))
    for way, *more in itertools.product(*lists):
        marks = pytest.mark.sandbox if "namespaces" in more else ()
        yield pytest.param(way, *more, id="-".join([way.__name__, *map(str, more)]), marks=marks)


@pytest.mark.parametrize("grading, level, lesson", chosen(list(_ways()), lambda way: way.id, min(ONE_IN, 10)))
def test_correct_neighbours_have_full_points(tmp_path, monkeypatch, lesson, level, grading):
    """A correct submission that the same process grades after each attack still gets full points."""
    monkeypatch.setenv("COURSE_ISOLATION_CEILING", level)
    found = levels.at_least(level)
    if found.sandbox:
        found.sandbox.close()
    jobs = []
    for name, attack in {"": "", **HANDED_IN[lesson]}.items():
        if name:
            file, endpoint = handed_in(tmp_path / f"{name} attack", lesson, attack, "starter")
            jobs.append(worker_pool.Job(f"attack {name}", file, lesson))
        file, endpoint = handed_in(tmp_path / f"{name} honest", lesson, "", "reference")
        jobs.append(worker_pool.Job(f"honest after {name}", file, lesson))
    results = grading(jobs, level, tmp_path)
    assert len(results) == len(jobs)
    wanted = sum(endpoint.points.values())
    for name, result in results.items():
        items = [item for item in result["items"] if item["id"].startswith(endpoint.id)]
        got = sum(item["points"] for item in items)
        if name.startswith("honest"):
            assert got == wanted, (name, items)
        else:
            assert got < wanted and "SAW" not in str(items), (name, items)
            concurrency = next(item for item in items if item["id"].endswith("concurrency"))
            assert concurrency["outcome"] != "pass" and concurrency["points"] == 0, (name, items)
