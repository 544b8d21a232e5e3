import math

assert bad.seconds >= 10 * 0.2 and ends[-1] - ends[0] >= 8 * 0.2 and bad.worst_block.code == "time.sleep(wait)"
assert good.seconds < bad.seconds and good.ratio < bad.ratio and good.worst_canary < bad.worst_canary
menu, menu_again = mixed.requests[1], mixed_again.requests[1]
assert mixed.seconds >= 3 * 0.3 and menu.end >= 0.29 * sum(r.end < menu.end for r in mixed.requests)
assert all(menu_again.end < r.end for r in mixed_again.requests if r is not menu_again)
assert len(sleeps_in_async_functions("cafe.py")) == 1 and sleeps_in_async_functions("beans.py") == []
assert (block.code, block.function) == ("time.sleep(0.3)", "pause") and block.place.endswith("in beans.py")
assert in_async.seconds >= 5 * 0.2 and in_plain.seconds < in_async.seconds
assert in_plain.blocked_seconds < in_async.blocked_seconds
assert threads.ratio < bad.ratio
assert crowd.seconds >= 2.0 and sum(r.seconds >= 1.9 for r in crowd.requests) >= 5
assert crowd.blocked_seconds < bad.blocked_seconds / 2 and crowd.worst_canary < bad.worst_canary
assert all(r.ok for r in my_race.requests) and pool.seconds >= math.ceil(n / 40) * 0.5
assert all(r.ok for r in forgotten.requests) and forgotten.quickest < partly.quickest and "never awaited" in warning
assert partly.blocked_seconds >= 9 * 0.05 and partly.worst_block.function == "note_order"
assert partly.worst_canary > good.worst_canary or partly.worst_canary >= 0.1
assert probes_blocking > probes_fixed
assert took[2] >= 2 * 0.5  # two workers, four blocking requests: at least two had to wait for another
assert sum(race.seconds for race in alone) >= 5 * 0.2
assert short.worst_canary < bad.worst_canary
