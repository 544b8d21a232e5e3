"""What the prose of each lesson relies on, as assertions over the variables that the lesson itself leaves behind.

They are run as a last cell in the lesson's own kernel.  Each is an order, a ratio or a lower bound: a busy machine
makes things later, so nothing here says "at most so many seconds".
"""

CLAIMS = {
    "00_start_here": """
assert one.requests[0].body == '{"cup":1}' and one_hasty.requests[0].ok
assert sick.seconds >= 10 * 0.2 > healthy.quickest
assert healthy.seconds < sick.seconds and healthy.ratio < sick.ratio
assert sick.worst_block.code == "time.sleep(seconds)" and sick.worst_block.function == "steep"
assert sick.blocked_seconds >= 9 * 0.2 and healthy.blocked_seconds < sick.blocked_seconds / 4
assert sick.worst_canary >= 0.2 and sick.worst_canary > healthy.worst_canary
assert len(blocking) <= 1 < 2 <= len(polite)
assert three_cups >= 3 * 0.2
assert nested.requests[0].status == 500 and "asyncio.run() cannot be called" in nested.errors[0]["message"]
""",
    "01_sleeping": """
assert bad.seconds >= 10 * 0.2 and bad.worst_block.code == "time.sleep(wait)"
assert good.seconds < bad.seconds and good.ratio < bad.ratio and good.worst_canary < bad.worst_canary
menu, menu_again = mixed.requests[1], mixed_again.requests[1]
assert mixed.seconds >= 3 * 0.3 and menu.end >= 0.29 * sum(r.end < menu.end for r in mixed.requests)
assert all(menu_again.end < r.end for r in mixed_again.requests if r is not menu_again)
assert len(sleeps_in_async_functions("cafe.py")) == 1 and sleeps_in_async_functions("beans.py") == []
assert (block.code, block.function) == ("time.sleep(0.3)", "pause") and block.place.endswith("in beans.py")
assert front.seconds >= 5 * 0.2 and back.seconds < front.seconds and back.blocked_seconds < front.blocked_seconds
assert threads.ratio < bad.ratio
assert crowd.seconds >= 2.0 and sum(r.seconds >= 1.9 for r in crowd.requests) >= 5
assert all(r.ok for r in forgotten.requests) and forgotten.quickest < 0.5 and "never awaited" in warning
assert partly.blocked_seconds >= 9 * 0.05 and partly.worst_block.function == "note_order"
assert partly.worst_canary > good.worst_canary or partly.worst_canary >= 0.1
assert short.worst_canary < bad.worst_canary
""",
    "02_calling_http": """
assert bad.seconds >= 10 * 0.2 and bad.worst_block.code.startswith("requests.get(")
assert good.seconds < bad.seconds and good.ratio < bad.ratio and good.worst_canary < bad.worst_canary
assert mixed.seconds >= 1 + 4 * 0.1
assert all(scarf.end < mixed_again.requests[0].end for scarf in mixed_again.requests[1:])
assert one_by_one.quickest >= 5 * 0.1 and together.quickest < one_by_one.quickest
assert one_by_one.blocked_seconds < bad.blocked_seconds / 4
assert in_a_loop >= 10 * 0.1 and in_a_group < in_a_loop and politely >= 4 * 0.1
assert "AsyncClient()" in careless.worst_block.code and careless.loop_lag > shared.loop_lag
assert careless.blocked_seconds > shared.blocked_seconds and careless.quickest > shared.quickest
assert [request.status for request in late.requests] == [500, 504] and late.quickest >= 0.1
assert late.errors[0]["type"].endswith("Timeout") and httpx.AsyncClient().timeout.read == 5
ends = sorted(request.end for request in fives.requests)
assert ends[5] >= 2 * 0.2 and ends[10] >= 3 * 0.2 and fives.blocked_seconds < bad.blocked_seconds / 4
assert all(race.blocked_seconds < bad.blocked_seconds / 4 for race in (plain, thread))
assert blocking >= 0.2 and awaiting >= 0.2
""",
}
