assert {
    "a sleep",
    "HTTP",
    "HTTP, def",
    "PostgreSQL",
    "SQLAlchemy",
    "Redis",
    "a large file",
    "a program",
    "a picture",
    "a regex",
} <= set(rows)
assert all(request.ok for _, bad, good in rows.values() for request in bad.requests + good.requests)
waits = {name: rows[name][1:] for name in rows if name not in ("a large file", "a picture", "a regex")}
assert all(bad.seconds >= 4 * 0.19 and bad.worst_canary > 0.19 for bad, _ in waits.values())
assert all(good.seconds < bad.seconds and good.ratio < bad.ratio for bad, good in waits.values())
assert all(good.blocked_seconds < bad.blocked_seconds for _, bad, good in rows.values())
assert "table_sleep.py" in found and "table_http.py" in found and "table_programs.py" in found
assert not any(name in found for name in ("postgres", "sqlalchemy", "mysql", "redis", "images", "regex"))
