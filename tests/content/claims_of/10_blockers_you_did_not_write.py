assert len(bad.requests[0].body) > 400_000 and not bad.worst_block.in_app
assert threaded.worst_block.seconds > bad.worst_block.seconds / 4 and threaded.worst_canary > bad.worst_canary / 8
lags = {name: race.worst_block.seconds if race.worst_block else 0 for name, race in ways.items()}
assert 0 < ways["/declared"].blocked_seconds < bad.blocked_seconds
assert lags["/json_response"] < lags["returned"] and lags["/ready_made"] < lags["returned"] / 2
assert lags["/streamed"] < lags["returned"] / 2
assert len(ways["/streamed"].requests[0].body.splitlines()) == 10_000
large, refused, little, page, short_page = posted.values()
assert [race.requests[0].status for race in posted.values()] == [200, 413, 200, 200, 200]
assert not large.worst_block.in_app and page.worst_block.code.startswith("page.render(")
longest = [max((block.seconds for block in race.blocked), default=0) for race in posted.values()]
assert longest[1] < longest[0] / 4 and longest[2] < longest[0] / 4 and longest[4] < longest[3] / 2
assert logged.seconds >= 5 * 0.09 and logged.worst_block.code.startswith("log.info(")
assert queued.seconds < logged.seconds and queued.blocked_seconds < logged.blocked_seconds / 2
assert async_stream.seconds >= 12 * 0.09 and plain_stream.seconds < async_stream.seconds
assert {request.body for request in async_stream.requests + plain_stream.requests} == {"tick tick tick "}
assert mailed.worst_canary > 0.4 and mailed.requests[0].ok
assert one.requests[0].ok and not any(request.ok for request in two.requests)
assert not stuck.requests[0].ok and not stuck.canaries[-1].answered
assert waiting.seconds >= 3 * 0.19 and waiting.worst_block.code.startswith("jobs.get(")
assert awaiting.seconds < waiting.seconds and awaiting.blocked_seconds < waiting.blocked_seconds / 4
assert {request.body for request in waiting.requests + awaiting.requests} == {'"no job"'}
assert sorted(request.status for request in cached.requests) == [200, 500]
assert (
    "cannot reuse already awaited coroutine" in cached.errors[0]["message"]
    or "being awaited already" in cached.errors[0]["message"]
)
assert small < bad.worst_block.seconds / 10
