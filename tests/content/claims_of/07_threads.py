assert bad.blocked_seconds > 3 * 0.02 and bad.worst_block.function == "small"
assert all(request.ok for race in (bad, good, threadpool, plain) for request in race.requests)
assert good.blocked_seconds < bad.blocked_seconds / 2 and good.worst_canary < bad.worst_canary
assert good.requests[1].end < min(request.end for request in good.requests if request.path == "/small")
assert all(race.blocked_seconds < bad.blocked_seconds / 2 for race in (threadpool, plain))
share = {name: worst / seconds for name, (seconds, worst) in measured.items()}
assert all(share[name] < 0.5 for name in ("Pillow, resize", "bcrypt", "pbkdf2", "sha256, 60 MB at once"))
assert share["sorted"] > 0.5 and share["sha256, 100,000 small"] < share["sorted"] and my_lag > my_seconds / 2
assert sys.getswitchinterval() == 0.005
assert ranked.worst_canary > ranked.quickest / 8
assert [request.status for request in timed_out.requests] == [504, 504]
assert then[0] < 10 and later["give_up"] == 10 and later["ask"] <= then[1] + 1 < 10
assert in_thread > 3 * inline
assert [ending for ending, _ in patient.values()] == ["TimeoutError", "TimeoutError", "no error"]
assert patient["run_in_threadpool", "with_anyio"][1] >= 0.99
assert taken == 0 and more > 4
assert left_early["endpoint"] == 10 > left_early["stream"] > 0
# not the sums of the blocks: the longer race of the small pool may contain more of them, each of them short
assert forty.worst_canary > few.worst_canary
# each iteration of the loop runs a piece of every request
assert eight.worst_canary > 4 * 0.02 and eight.worst_canary > one.worst_canary
assert waited >= 0.59 and leaving.blocked_seconds > 0.1
assert collected[1] > collected[0] / 2 and frozen[0] < collected[0] / 2
assert "thread" in refusal and len(sold) == 4 and 96 < stock["left"] < 100
assert (with_to_thread, with_threadpool, with_executor) == ("Ann", "Ann", "unknown")
assert not folder.exists()
