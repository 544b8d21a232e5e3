assert one.requests[0].body == '{"cup":1}' and one_hasty.requests[0].ok
assert sick.seconds >= 10 * 0.2 > healthy.quickest
assert healthy.seconds < sick.seconds and healthy.ratio < sick.ratio
assert sick.worst_block.code == "time.sleep(seconds)" and sick.worst_block.function == "steep"
assert sick.blocked_seconds >= 9 * 0.2 and healthy.blocked_seconds < sick.blocked_seconds / 4
assert sick.worst_canary >= 0.2 and sick.worst_canary > healthy.worst_canary
assert sick.loop_lag >= 200
assert len(blocking) <= 1 < 2 <= len(polite)
assert three_cups >= 3 * 0.2
assert nested.requests[0].status == 500 and "asyncio.run() cannot be called" in nested.errors[0]["message"]
