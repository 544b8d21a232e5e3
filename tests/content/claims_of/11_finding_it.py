WAITING = {"/http", "/query", "/command", "/system", "/sleep", "/result", "/lock", "/helper", "/queue"}
assert slow.requests[0].seconds >= 2 * 0.12
assert not may_spy or [function for _, _, function in helper_stack] == ["nap", "rest", "sleep_two_calls_down"]
assert mystery in WAITING
assert table["ruff"] == {"/http", "/command", "/system", "/sleep", "/short", "/tiny"}
assert table["blockbuster"] == {
    "/http",
    "/command",
    "/sleep",
    "/short",
    "/result",
    "/lock",
    "/helper",
    "/queue",
    "/tiny",
}
assert WAITING | {"/short"} <= table["debug, 20 ms"] and WAITING <= table["debug, 100 ms"] <= set(
    BLOCKING + NON_BLOCKING
)
assert table["pyleak, 20 ms"] >= WAITING and counts["pyleak, 200 ms"] <= counts["pyleak, 20 ms"]
assert len(table["pyleak, 130 ms"] & set(BLOCKING)) <= counts["pyleak, 20 ms"]
assert "time.sleep" in words["blockbuster"]["/helper"] and "Task" in words["debug, 20 ms"]["/helper"]
assert "aiocop, 20 ms" not in table or table["aiocop, 20 ms"] >= WAITING
assert not may_spy or table["py-spy"] >= WAITING
assert table["the lane"] >= WAITING and race.worst_block.function == "nap"
assert debugged > 2 * plain
assert all(re.search(r'deeper\.py", line \d+ in ' + name, log) for name in ("nap", "wait_for_job"))
assert re.search(r'busy\.py", line \d+ in write_json', log)
assert gauge >= 0.12 - 0.05  # it may have been asleep for one step when the block began
assert says < took / 2 and (took > 0.1 or probe_request.end < measured.requests[0].end)
# whatever is to blame: on a busy machine the wait for a CPU is most of it
gc_blocks = {
    name: max((b.end - b.start for b in race.blocked + race.not_blamed), default=0)
    for name, race in collections.items()
}
assert gc_blocks["on the loop"] > 0.02 and gc_blocks["in a thread"] > gc_blocks["on the loop"] / 4
assert gc_blocks["after gc.freeze()"] < gc_blocks["on the loop"] / 2
assert max(pauses) > gc_blocks["on the loop"] / 2
