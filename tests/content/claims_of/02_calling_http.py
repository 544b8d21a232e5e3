import math

assert bad.seconds >= 10 * 0.2 and bad.worst_block.code.startswith("requests.get(")
assert good.seconds < bad.seconds and good.ratio < bad.ratio and good.worst_canary < bad.worst_canary
assert handler_only == ["the handler"] and both == ["the lifespan"]
assert not hasattr(__import__("starlette.applications").applications.Starlette, "on_event")
assert mixed.seconds >= 1 + 4 * 0.1
assert all(scarf.end < mixed_again.requests[0].end for scarf in mixed_again.requests[1:])
assert one_by_one.quickest >= 5 * 0.1 and together.quickest < one_by_one.quickest
assert one_by_one.blocked_seconds < bad.blocked_seconds / 4
assert in_a_loop >= 10 * 0.1 and in_a_group < in_a_loop
assert at_a_time >= math.ceil(10 / places) * 0.1 and all(request.ok for request in my_race.requests)
assert finished == ["the other one in gather"]
assert results[0] is None and isinstance(results[1], RuntimeError)
assert "AsyncClient()" in careless.worst_block.code
assert careless.worst_block.seconds > max((b.seconds for b in shared.blocked), default=0)
assert careless.blocked_seconds > shared.blocked_seconds and careless.quickest > shared.quickest
assert [request.status for request in late.requests] == [500, 504] and late.quickest >= 0.1
assert late.errors[0].type.endswith("Timeout") and httpx.AsyncClient().timeout.read == 5
ends = sorted(request.end for request in fives.requests)
assert ends[5] >= 2 * 0.2 and ends[10] >= 3 * 0.2 and fives.blocked_seconds < bad.blocked_seconds / 4
assert 0 < too_late <= 10 and all(error.endswith("PoolTimeout") for error in errors)
assert httpx._config.DEFAULT_LIMITS.max_connections == 100
assert all(race.blocked_seconds < bad.blocked_seconds / 4 for race in (plain, thread))
assert chats.seconds >= 4 * 8 * 0.1 and chats_awaited.seconds < chats.seconds
assert all(request.body.count("data:") == 9 for race in (chats, chats_awaited) for request in race.requests)
assert chats_awaited.blocked_seconds < chats.blocked_seconds / 4 and chats_awaited.worst_canary < chats.worst_canary
assert "reply.iter_lines()" in chats.worst_block.code or "requests.post(" in chats.worst_block.code
