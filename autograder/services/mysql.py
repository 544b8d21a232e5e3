"""MySQL or MariaDB with a table of items, and a function that may have to wait before it returns a price.

``SELECT price_of('token')`` takes a user lock (``GET_LOCK``) and releases it. The service holds replies by holding those
locks; their names are random, and only the function can read them. The server's process list shows which connections wait
for a user lock, and the function writes a note with the token of each. The note isn't committed during the wait, so it
disappears with a connection that breaks.

An app logs in with a random user name and, in MariaDB, a password. The function runs as ``keeper``, a locked account with
no other rights. Each judged app gets a new user.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from autograder.services.base import ServiceError
from autograder.services.database import LOCK_LIMIT_S, NOT_EMPTY, STATEMENT_LIMIT_S, Database
from autograder.services.managed_server import ManagedServer

NO_SERVER = (
    "There is no MySQL or MariaDB on this machine. Install one (apt install mariadb-server-core mariadb-client-core, or "
    "brew install mariadb), or name a running one in COURSE_MYSQL_URL, as in mysql://user:password@127.0.0.1:3306/database."
)
PLACES = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/local/mysql/bin", "/opt/homebrew/bin")
KILL_LIMIT = 10.0  # s

SCHEMA = (
    "DROP FUNCTION IF EXISTS price_of",
    "DROP TABLE IF EXISTS items",
    "DROP TABLE IF EXISTS asked",
    "CREATE TABLE items (token VARCHAR(60) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, price INT NOT NULL, "
    "key_name CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL) ENGINE=InnoDB COMMENT='of the course'",
    "CREATE TABLE asked (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(60) NOT NULL, connection BIGINT NOT NULL, "
    "owner VARCHAR(200) NOT NULL) ENGINE=InnoDB COMMENT='of the course'",
    # a locking read sees the current rows, even in a transaction that began earlier
    """
    CREATE {definer} FUNCTION price_of(wanted VARCHAR(60)) RETURNS INT MODIFIES SQL DATA SQL SECURITY {security}
    BEGIN
        DECLARE found INT DEFAULT (SELECT price FROM items WHERE token = wanted LOCK IN SHARE MODE);
        DECLARE lock_name CHAR(32) DEFAULT (SELECT key_name FROM items WHERE token = wanted);
        DECLARE note BIGINT;
        IF found IS NOT NULL THEN
            INSERT INTO asked (token, connection, owner) VALUES (wanted, CONNECTION_ID(), USER());
            SET note = LAST_INSERT_ID();
            DO GET_LOCK(lock_name, 3600);
            DO RELEASE_LOCK(lock_name);
            DELETE FROM asked WHERE id = note;
        END IF;
        RETURN found;
    END
    """,
)
# the function's owner can't log in, and has only the rights that the function needs
KEEPER = (
    "CREATE USER keeper@localhost IDENTIFIED BY '{secret}' ACCOUNT LOCK",
    "GRANT SELECT, UPDATE ON shop.items TO keeper@localhost",
    "GRANT SELECT, INSERT, DELETE ON shop.asked TO keeper@localhost",
    "GRANT EXECUTE ON FUNCTION shop.price_of TO keeper@localhost",
)
THEIRS = (
    "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ('items', 'asked') "
    "AND TABLE_COMMENT <> 'of the course'"
)
WAITING = """
    SELECT asked.token, asked.id FROM asked JOIN information_schema.PROCESSLIST AS list ON list.ID = asked.connection
    WHERE list.STATE = 'User lock' ORDER BY asked.id
"""
# the process list shows a connection inside price_of with the function's owner as its user
CONNECTIONS_OF = """
    SELECT list.ID FROM information_schema.PROCESSLIST AS list LEFT JOIN asked ON asked.connection = list.ID
    WHERE list.USER = %s OR asked.owner LIKE %s
"""
WITHOUT_PASSWORD = (
    "SELECT user, host FROM mysql.user WHERE user IN ('', 'root') AND NOT (user = 'root' AND host = 'localhost')"
)
PER_USER = 90


class MySQL(Database):
    """The server and the judge's connection. ``COURSE_MYSQL_URL`` names a database to use instead of an own server."""

    def __init__(self) -> None:
        import pymysql

        super().__init__("MySQL", pymysql.Error)
        self._fresh: list[str] = []
        self._held: set[str] = set()
        self._notes: dict[str, set[int]] = defaultdict(set)  # by token: the notes of calls that were seen waiting
        self._locks: dict[str, str] = {}  # names of locks, by token
        self._guest: str | None = None  # the user of the app that is judged
        given = self.url = os.environ.get("COURSE_MYSQL_URL", "")
        try:
            self._ours = pymysql.connect(**address(given), autocommit=True) if given else self._start()
            if given and self._do(THEIRS)[0][0]:
                raise ServiceError(NOT_EMPTY.format(name="COURSE_MYSQL_URL"))
            self._watch(os.dup(self._ours._sock.fileno()))
            self._do("SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")
            self._limit_statements()
            # in the teacher's database, apps log in as the user of the URL, so the function needs no other owner
            rights = {"definer": "DEFINER=keeper@localhost", "security": "DEFINER"}
            if not given:
                for statement in KEEPER[:1]:
                    self._do(statement.format(secret=secrets.token_hex(16)))
            else:
                rights = {"definer": "", "security": "INVOKER"}
            for statement in SCHEMA:
                self._do(statement.format(**rights))
            if not given:
                for statement in KEEPER[1:]:
                    self._do(statement)
                for user, host in self._do(WITHOUT_PASSWORD):
                    self._do("DROP USER %s@%s", [user, host])
                self.url = self._new_user("shop")[1]
        except (pymysql.Error, ServiceError, ValueError) as error:
            self.stop()
            if isinstance(error, ServiceError):
                raise
            raise ServiceError(f"MySQL does not answer: {error}") from None

    def _start(self) -> Any:
        import pymysql

        server, install = find()
        self._embedded = ManagedServer("mysql", ended_by="TERM")
        folder = self._embedded.folder
        data, socket, secret = folder / "data", folder / "socket", secrets.token_hex(16)
        small = ["--innodb-buffer-pool-size=8M", "--innodb-doublewrite=0", "--loose-innodb-log-file-size=4M"]
        small += ["--innodb-flush-method=nosync"]
        if install:
            command = [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
            # a sandbox or a small container can't resolve its host name; only accounts that are dropped below need it
            self._embedded.run(
                [*command, "--force", "--skip-test-db", "--skip-name-resolve", "--loose-sync-frm=0", *small]
            )
        else:
            self._embedded.run([server, "--no-defaults", "--initialize-insecure", f"--datadir={data}", *small])
        # the server reads this before it listens, so it never accepts a connection without a password
        first = self._embedded.write(
            "first.sql",
            f"ALTER USER root@localhost IDENTIFIED BY '{secret}';\n"
            "DROP USER IF EXISTS root@'127.0.0.1', root@'::1', ''@localhost;\n"
            "CREATE DATABASE shop;\n",
        )
        settings = [
            f"--datadir={data}", f"--socket={socket}",
            f"--init-file={first}", f"--pid-file={folder / 'pid'}", f"--tmpdir={folder}", "--skip-name-resolve",
            "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--performance-schema=OFF", "--key-buffer-size=1M",
            "--max-connections=200", "--table-open-cache=100", "--transaction-isolation=READ-COMMITTED",
            f"--secure-file-priv={folder / 'files'}", "--local-infile=0", "--tmp-table-size=1M", "--max-heap-table-size=1M",
            "--max-allowed-packet=1M", "--group-concat-max-len=65536", "--symbolic-links=0", "--event-scheduler=OFF",
            "--loose-max-tmp-session-space-usage=16M", "--loose-max-tmp-total-space-usage=64M",
            "--innodb-temp-data-file-path=ibtmp1:4M:autoextend:max:64M", "--loose-aria-pagecache-buffer-size=1M",
            "--loose-mysqlx=OFF", "--loose-innodb-fast-shutdown=2", *small,
        ]  # fmt: skip
        if self._embedded.sandboxed:
            settings.append("--skip-networking")
        else:
            settings += [f"--port={self._embedded.port}", "--bind-address=127.0.0.1"]
        self._embedded.make_folder("files")

        def ready() -> Any:
            return pymysql.connect(
                unix_socket=str(socket), user="root", password=secret, database="shop", autocommit=True
            )

        try:
            ours = self._embedded.start(
                [os.path.realpath(server), "--no-defaults", *settings], ready, listens=socket, shown=parts(server)
            )
        finally:
            first.unlink(missing_ok=True)
        self._address = f"127.0.0.1:{self._embedded.port}/shop"
        return ours

    def _limit_statements(self) -> None:
        """Set the time limit of the judge's own statements, whose variable has different names in MySQL and MariaDB."""
        try:
            self._do(f"SET SESSION max_statement_time = {STATEMENT_LIMIT_S:.0f}")  # s, MariaDB
        except ServiceError:
            self._do(f"SET SESSION max_execution_time = {1000 * STATEMENT_LIMIT_S:.0f}")  # ms, MySQL

    def _new_user(self, name: str) -> tuple[str, str]:
        """Create a user for apps; return (its name, which is secret, the URL with which an app logs in)."""
        user, password, identified = f"{name}_{secrets.token_hex(10)}", "", ""
        # for a password without TLS, MySQL's drivers need another package; the secret name replaces the password
        if "mariadb" in self._do("SELECT VERSION()")[0][0].lower():
            password = secrets.token_hex(16)
            identified = f"IDENTIFIED BY '{password}'"
        self._do(f"CREATE USER {user}@'%' {identified} WITH MAX_USER_CONNECTIONS {PER_USER}")
        self._do(f"GRANT EXECUTE ON FUNCTION shop.price_of TO {user}@'%'")
        return user, f"mysql://{user}{password and ':' + password}@{self._address}"

    @property
    def environment(self) -> dict[str, str]:
        return {"MYSQL_URL": self.url}

    @property
    def alive(self) -> bool:
        return self._ours is not None and self._ours.open and (self._embedded is None or self._embedded.alive)

    def fresh_environment(self) -> dict[str, str]:
        """See `Service.fresh_environment`: create a new user, which can create nothing, and end the previous user's connections."""
        if self._embedded is None:
            return self.environment
        if self._guest:
            guest, deadline = self._guest, time.monotonic() + KILL_LIMIT
            self._do(f"ALTER USER {guest}@'%' ACCOUNT LOCK")
            while left := self._do(CONNECTIONS_OF, [guest, f"{guest}@%"]):
                for (connection,) in left:
                    self._kill(connection)
                if time.monotonic() > deadline:
                    raise ServiceError("MySQL does not end the connections of an app that was judged before.")
                time.sleep(0.01)
            self._do(f"DROP USER {guest}@'%'")
            self._guest = None
        self._guest, url = self._new_user("guest")
        return {"MYSQL_URL": url}

    def _kill(self, connection: int) -> None:
        try:
            self._do(f"KILL {connection}")
        except ServiceError as error:
            if "Unknown thread" not in str(error):  # it has ended by itself
                raise

    def prepare(self, tokens: list[str]) -> None:
        self._fresh = list(dict.fromkeys(tokens))
        for token in self._fresh:
            name = self._locks.setdefault(token, secrets.token_hex(16))
            self._do("INSERT IGNORE INTO items VALUES (%s, %s, %s)", [token, self.reply(token), name])

    def hold(self) -> None:
        self._held = set(self._fresh)
        for token in self._fresh:
            name = self._locks[token]
            if self._do("SELECT GET_LOCK(%s, %s)", [name, LOCK_LIMIT_S]) == [(1,)]:
                continue
            # `price_of` returns its lock at once, but a statement that is ended just then leaves it to its connection
            for (connection,) in self._do("SELECT IS_USED_LOCK(%s)", [name]):
                if connection is not None:
                    self._kill(connection)
            if self._do("SELECT GET_LOCK(%s, 10)", [name]) != [(1,)]:
                raise ServiceError("MySQL doesn't grant a lock that no other connection should hold. Run this again.")

    def held(self) -> list[str]:
        # a connection that was just released may still be in the list
        found = [(token, note) for token, note in self._do(WAITING) if token in self._held]
        for token, note in found:
            self._notes[token].add(note)
        return [token for token, _ in found]

    def calls(self, tokens: Iterable[str]) -> dict[str, int]:
        """See `Service.calls`; only calls that were seen waiting count."""
        return {token: len(self._notes[token]) for token in tokens}

    def release(self, tokens: list[str] | None = None) -> None:
        if tokens is None:
            self._held.clear()
            self._do("SELECT RELEASE_ALL_LOCKS()")
            return
        for token in tokens:
            self._held.discard(token)
            if token in self._locks:
                self._do("SELECT RELEASE_LOCK(%s)", [self._locks[token]])


def find() -> tuple[str, str | None]:
    """Return (the server program, the program that sets up its data, or None if the server does that itself).

    If there is no server, raises `ServiceError`, whose message says how to install one.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), *PLACES])
    install = shutil.which("mariadb-install-db", path=path)
    if (
        shutil.which("my_print_defaults", path=path) is None
    ):  # the setup program needs it, and some packages don't contain it
        install = None
    server = shutil.which("mariadbd", path=path)
    if server and install:
        return server, install
    server = shutil.which("mysqld", path=path)
    # only on Unix, where its owner can log in through a socket
    if server is None or os.name == "nt":
        raise ServiceError(NO_SERVER)
    version = subprocess.run([server, "--no-defaults", "--version"], capture_output=True, text=True).stdout
    if not re.search("mariadb", version, re.IGNORECASE):
        return server, None
    if install is None:
        raise ServiceError(NO_SERVER)
    return server, install


def parts(server: str) -> list[Path]:
    """Return the files that the server needs to run: itself, its messages and its plugins."""
    prefix = Path(os.path.realpath(server)).parent.parent
    names = (
        "share/mysql",
        "share/mariadb",
        "lib/mysql",
        "lib/mariadb",
        "lib64/mysql",
        "lib64/mariadb",
        "share/mysql-8.0",
    )
    return [Path(os.path.realpath(server)), *(prefix / name for name in names if (prefix / name).is_dir())]


def address(url: str) -> dict[str, Any]:
    """Return the arguments of MySQL drivers for a URL: host, port, user, password and database."""
    parts = urlsplit(url)
    return {
        "host": parts.hostname or "127.0.0.1",
        "port": parts.port or 3306,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": parts.path.lstrip("/"),
    }
