assert bad.blocked_seconds > 3 * 0.02 and bad.worst_block.function == "small"
assert all(request.ok for race in (bad, good, threadpool, plain) for request in race.requests)
assert good.blocked_seconds < bad.blocked_seconds / 2 and good.worst_canary < bad.worst_canary
assert good.requests[1].end < min(request.end for request in good.requests if request.path == "/small")
assert all(race.blocked_seconds < bad.blocked_seconds / 2 for race in (threadpool, plain))
share = {name: worst / seconds for name, (seconds, worst) in measured.items()}
assert all(share[name] < 0.5 for name in ("Pillow, resize", "bcrypt", "pbkdf2", "sha256, 60 MB at once"))
assert share["sorted"] > 0.5 and share["sha256, 100,000 small"] < share["sorted"]
assert pooled.worst_canary < inline.worst_canary and pooled.seconds > inline.seconds / 2
assert ranked.worst_canary > ranked.quickest / 8
assert [request.status for request in answers.requests] == [504, 504]
assert then[0] < 10 and later["give_up"] == 10 and later["ask"] <= then[1] + 1 < 10
assert [ending for ending, _ in patient.values()] == ["TimeoutError", "TimeoutError", "no error"]
assert patient["run_in_threadpool", "with_anyio"][1] >= 0.99
assert taken == 0 and more > 4
assert left_early["answer"] == 10 > left_early["stream"]
assert (kept, kept_too, dropped) == ("Ann", "Ann", "nobody")
assert forty.blocked_seconds > two.blocked_seconds and forty.worst_canary > two.worst_canary
assert in_thread > 3 * in_line
assert not folder.exists()
