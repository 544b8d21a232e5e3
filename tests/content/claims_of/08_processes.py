assert all(request.ok for race in (bad, good, by_value, by_name, own, shared) for request in race.requests)
assert good.worst_canary < bad.worst_canary
assert all(lag[job, "thread"] > lag[job, "inline"] / 6 for job in ("rank", "dump", "match"))
assert all(lag[job, "process"] < lag[job, "thread"] / 2 for job in ("rank", "dump", "match"))
assert lag["count", "thread"] < lag["count", "inline"] / 2 and lag["count", "process"] < lag["count", "inline"] / 2
assert lambda_error.startswith(("PicklingError", "AttributeError")) and b"rank" in pickle.dumps(heavy.rank)
assert [r.body for r in by_value.requests] == [r.body for r in by_name.requests]
assert by_value.worst_canary > by_name.worst_canary
assert len({r.body for r in own.requests}) == 3 and len({r.body for r in shared.requests}) == 1
assert own.quickest > 3 * shared.quickest and own.blocked_seconds > shared.blocked_seconds
assert statuses["spawn"] == 200 and statuses.get("fork", 504) == 504
assert history["left_alone"] == [200, 500, 500, 500] and history["looked_after"] == [200, 503, 200, 200]
megabytes = [memory for _, memory in sizes.values()]
assert len(sizes) > 1 and megabytes == sorted(megabytes)
assert in_process > 3 * in_line
