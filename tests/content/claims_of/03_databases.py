import math

assert bad.seconds >= 10 * 0.2 and "execute(" in bad.worst_block.code
assert good.seconds < bad.seconds and good.ratio < bad.ratio and good.worst_canary < bad.worst_canary
assert busy == 1 < busy_again
assert mixed.seconds >= 5 * 0.3 and all(
    mixed_again.requests[1].end < r.end for r in mixed_again.requests if r.route == "/search"
)
assert threads.blocked_seconds < bad.blocked_seconds / 4 and threads.ratio < bad.ratio
assert len(at_once) == 2 and min(at_once.values()) > 1
assert borrowing < connecting and places == 10 and limit > 15
assert isinstance(refusal, asyncpg.TooManyConnectionsError) and 15 < len(held) <= limit
assert all(connection.is_closed() for connection in held)
ends = sorted(request.end for request in fives.requests)
assert ends[5] >= 2 * 0.99 and ends[10] >= 3 * 0.99 and fives.blocked_seconds < bad.blocked_seconds / 4
assert set(statuses) == {200, 503} and statuses.count(200) >= 5
assert sized.seconds >= math.ceil(n / 5) * wait * 0.99
assert inside.seconds >= 3 * (0.05 + 0.3) and outside.seconds < inside.seconds
assert inside.blocked_seconds < bad.blocked_seconds / 4
assert left_open["state"] == "idle in transaction" and "items" in locks
assert ended["state"] == "idle" and not locks_after
assert [request.status for request in loading.requests] == [500, 200] and "MissingGreenlet" in loading.errors[0].type
assert 15 <= served < 40 and met == ["TimeoutError"]
assert {request.status for request in locked.requests} == {200, 500} and all(request.ok for request in short.requests)
assert "BEGIN IMMEDIATE" in locked.worst_block.code and locked.blocked_seconds >= 0.9
assert "database is locked" in locked.errors[0].message
assert short.seconds < locked.seconds and short.blocked_seconds < locked.blocked_seconds / 4
assert mysql is not None, "install a MySQL or MariaDB: ./course test does it where it may"
assert pymysql_race.seconds >= 10 * 0.2
# on a busy machine to connect can take longer than the query
assert any("cursor.execute(" in block.code or "pymysql.connect(" in block.code for block in pymysql_race.blocked)
assert aiomysql_race.ratio < pymysql_race.ratio and aiomysql_race.blocked_seconds < pymysql_race.blocked_seconds / 4
assert all(request.status == 200 for race in (pymysql_race, aiomysql_race) for request in race.requests)
