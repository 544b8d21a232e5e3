"""MySQL or MariaDB with a table of items, and a function that may have to wait before it tells a price.

``SELECT price_of('token')`` takes a user lock (``GET_LOCK``) of that name and gives it back.  The service parks by holding
those locks.  The server's own list of connections says which of them wait for a user lock, and the function leaves a
note of which token that is for; the note is never committed while it waits, so it goes with a connection that breaks.
"""

import os
import re
import secrets
import shutil
import subprocess
import time
from urllib.parse import unquote, urlsplit

from autograder.services.base import ServiceError
from autograder.services.database import NOT_EMPTY, Database
from autograder.services.managed_server import ManagedServer, free_port

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
    "CREATE TABLE items (token VARCHAR(60) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, price INT NOT NULL) "
    "ENGINE=InnoDB COMMENT='of the course'",
    "CREATE TABLE asked (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(60) NOT NULL, connection BIGINT NOT NULL, "
    "owner VARCHAR(200) NOT NULL) ENGINE=InnoDB COMMENT='of the course'",
    # a locking read sees what is there now, also in a transaction that began before
    """
    CREATE FUNCTION price_of(wanted VARCHAR(60)) RETURNS INT MODIFIES SQL DATA SQL SECURITY DEFINER
    BEGIN
        DECLARE found INT DEFAULT (SELECT price FROM items WHERE token = wanted LOCK IN SHARE MODE);
        DECLARE note BIGINT;
        IF found IS NOT NULL THEN
            INSERT INTO asked (token, connection, owner) VALUES (wanted, CONNECTION_ID(), USER());
            SET note = LAST_INSERT_ID();
            DO GET_LOCK(wanted, 3600);
            DO RELEASE_LOCK(wanted);
            DELETE FROM asked WHERE id = note;
        END IF;
        RETURN found;
    END
    """,
)
THEIRS = (
    "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ('items', 'asked') "
    "AND TABLE_COMMENT <> 'of the course'"
)
WAITING = """
    SELECT asked.token FROM asked JOIN information_schema.PROCESSLIST AS list ON list.ID = asked.connection
    WHERE list.STATE = 'User lock' ORDER BY asked.id
"""
# the list gives a connection inside price_of to the function's owner
OF_GUESTS = """
    SELECT list.ID FROM information_schema.PROCESSLIST AS list LEFT JOIN asked ON asked.connection = list.ID
    WHERE list.USER = 'guest' OR asked.owner LIKE 'guest@%'
"""
WITHOUT_PASSWORD = (
    "SELECT user, host FROM mysql.user WHERE user IN ('', 'root') AND NOT (user = 'root' AND host = 'localhost')"
)
# two users that may do the same: one for what a notebook serves, one for what is judged, so that
# the connections which one submission left open can be ended before the next
USERS = ("shop", "guest")
PER_USER = 90


class MySQL(Database):
    """The server and our connection to it.  ``COURSE_MYSQL_URL`` names a database to use instead of one of our own."""

    def __init__(self):
        import pymysql

        super().__init__("MySQL", pymysql.Error)
        self._fresh = []
        self._held = set()
        self.url = os.environ.get("COURSE_MYSQL_URL")
        try:
            self._ours = pymysql.connect(**address(self.url), autocommit=True) if self.url else self._start()
            if self.url and self._do(THEIRS)[0][0]:
                raise ServiceError(NOT_EMPTY.format(name="COURSE_MYSQL_URL"))
            for statement in ("SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED", *SCHEMA):
                self._do(statement)
            if self._embedded:
                for user, host in self._do(WITHOUT_PASSWORD):
                    self._do("DROP USER %s@%s", [user, host])
                for user in USERS:
                    self._do(f"GRANT EXECUTE ON FUNCTION shop.price_of TO {user}@'127.0.0.1'")
        except (pymysql.Error, ServiceError, ValueError) as error:
            self.stop()
            if isinstance(error, ServiceError):
                raise
            raise ServiceError(f"MySQL does not answer: {error}") from None

    def _start(self):
        import pymysql

        server, install = find()
        self._embedded = ManagedServer("mysql", instead_of_root="nobody", ended_by="TERM")
        folder = self._embedded.folder
        data, socket, port, secret = folder / "data", folder / "socket", free_port(), secrets.token_hex(16)
        small = ["--innodb-buffer-pool-size=8M", "--innodb-doublewrite=0", "--loose-innodb-log-file-size=4M"]
        small += ["--innodb-flush-method=nosync"]
        if install:
            command = [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
            self._embedded.run([*command, "--skip-test-db", "--skip-name-resolve", "--loose-sync-frm=0", *small])
        else:
            self._embedded.run([server, "--no-defaults", "--initialize-insecure", f"--datadir={data}", *small])
        # the server reads this before it listens: nobody ever meets it without a password
        first = self._embedded.write(
            "first.sql",
            f"ALTER USER root@localhost IDENTIFIED BY '{secret}';\n"
            "DROP USER IF EXISTS root@'127.0.0.1', root@'::1', ''@localhost;\n"
            "CREATE DATABASE shop;\n"
            + "".join(f"CREATE USER {user}@'127.0.0.1' WITH MAX_USER_CONNECTIONS {PER_USER};\n" for user in USERS),
        )
        settings = [
            f"--datadir={data}", f"--socket={socket}", f"--port={port}", "--bind-address=127.0.0.1",
            f"--init-file={first}", f"--pid-file={folder / 'pid'}", f"--tmpdir={folder}", "--skip-name-resolve",
            "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--performance-schema=OFF", "--key-buffer-size=1M",
            "--max-connections=200", "--table-open-cache=100", "--transaction-isolation=READ-COMMITTED",
            "--loose-aria-pagecache-buffer-size=1M", "--loose-mysqlx=OFF", "--loose-innodb-fast-shutdown=2", *small,
        ]  # fmt: skip
        self.url = f"mysql://shop@127.0.0.1:{port}/shop"

        def ready():
            return pymysql.connect(
                unix_socket=str(socket), user="root", password=secret, database="shop", autocommit=True
            )

        try:
            return self._embedded.start([server, "--no-defaults", *settings], ready)
        finally:
            first.unlink(missing_ok=True)

    @property
    def environment(self):
        return {"MYSQL_URL": self.url}

    @property
    def alive(self):
        return self._ours is not None and self._ours.open and (self._embedded is None or self._embedded.alive)

    def fresh_environment(self):
        if self._embedded is None:
            return self.environment
        deadline = time.monotonic() + KILL_LIMIT
        while left := self._do(OF_GUESTS):
            for (connection,) in left:
                self._kill(connection)
            if time.monotonic() > deadline:
                raise ServiceError("MySQL does not end the connections of an app that was judged before.")
            time.sleep(0.01)
        return {"MYSQL_URL": self.url.replace("shop@", "guest@")}

    def _kill(self, connection):
        try:
            self._do(f"KILL {connection}")
        except ServiceError as error:
            if "Unknown thread" not in str(error):  # it went by itself
                raise

    def prepare(self, tokens):
        self._fresh = list(tokens)
        for token in tokens:
            self._do("INSERT IGNORE INTO items VALUES (%s, %s)", [token, self.reply(token)])

    def hold(self):
        self._held = set(self._fresh)
        for token in self._fresh:
            if self._do("SELECT GET_LOCK(%s, 10)", [token]) != [(1,)]:
                raise ServiceError("MySQL does not give a lock that nobody else should have.")

    def held(self):
        # who was just let go may still be on its way out
        return [token for (token,) in self._do(WAITING) if token in self._held]

    def release(self, tokens=None):
        if tokens is None:
            self._held.clear()
            self._do("SELECT RELEASE_ALL_LOCKS()")
            return
        for token in tokens:
            self._held.discard(token)
            self._do("SELECT RELEASE_LOCK(%s)", [token])


def find():
    """The server program, and what sets up its data (None if the server does that itself).

    Raises `ServiceError`, with a sentence that says how to get one, if there is none.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), *PLACES])
    install = shutil.which("mariadb-install-db", path=path)
    if shutil.which("my_print_defaults", path=path) is None:  # the set-up asks it, and some packages leave it out
        install = None
    server = shutil.which("mariadbd", path=path)
    if server and install:
        return server, install
    server = shutil.which("mysqld", path=path)
    # only Unix: its owner is let in through a socket
    if server is None or os.name == "nt":
        raise ServiceError(NO_SERVER)
    version = subprocess.run([server, "--no-defaults", "--version"], capture_output=True, text=True).stdout
    if not re.search("mariadb", version, re.IGNORECASE):
        return server, None
    if install is None:
        raise ServiceError(NO_SERVER)
    return server, install


def address(url):
    """What drivers for MySQL want to know instead of a URL: host, port, user, password and database."""
    parts = urlsplit(url)
    return {
        "host": parts.hostname or "127.0.0.1",
        "port": parts.port or 3306,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": parts.path.lstrip("/"),
    }
