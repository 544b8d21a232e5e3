assert {
    "a sleep",
    "HTTP",
    "HTTP, def",
    "PostgreSQL",
    "SQLAlchemy",
    "Redis",
    "a large file",
    "a program",
    "an image",
    "a password",
    "a regex",
    "a background task",
} <= set(rows)
assert all(request.ok for _, bad, good in rows.values() for request in bad.requests + good.requests)
work = ("a large file", "an image", "a password", "a regex", "a background task")
waits = {name: rows[name][1:] for name in rows if name not in work}
assert all(bad.seconds >= 4 * 0.19 and bad.worst_canary > 0.19 for bad, _ in waits.values())
assert all(good.seconds < bad.seconds and good.ratio < bad.ratio for bad, good in waits.values())
assert all(good.blocked_seconds < bad.blocked_seconds for _, bad, good in rows.values())
assert "table_sleep.py" in found and "table_http.py" in found and "table_programs.py" in found
assert not any(name in found for name in ("postgres", "sqlalchemy", "mysql", "redis", "images", "regex"))
assert rows["a background task"][1].worst_canary > 0.15
banned = {line.split(":")[0] for line in found_now.splitlines() if "TID251" in line}
assert banned == {"table_http.py", "table_postgres.py", "table_redis.py"}
assert all(name in found_now for name in ("table_sleep.py", "table_programs.py", "table_files.py"))
assert not any(name in found_now for name in ("sqlalchemy", "mysql", "images", "regex"))
assert 0 < served < 10 and {request.status for request in small.requests} == {200, 500}
assert not any("background" in line and "×" in line for line in lines)
assert not_fixed["/with_pool"].seconds >= 4 * 0.19 and not_fixed["/with_pool"].blocked_seconds >= 4 * 0.19 / 2
assert not_fixed["/one_lock"].seconds >= 4 * 0.19
assert not_fixed["/one_lock"].blocked_seconds < not_fixed["/with_pool"].blocked_seconds / 2
assert not_fixed["/sleep_zero"].blocked_seconds > 0.1
assert audit.returncode == 1 and "ledger/database.py" in audit.stdout.split("Nothing blocked")[0]
assert "GET /accounts/{name}  6 × 200" in audit.stdout
assert red.returncode == 1 and "2 failed" in red.stdout and "ledger/" in red.stdout
assert green.returncode == 0 and "2 passed" in green.stdout
