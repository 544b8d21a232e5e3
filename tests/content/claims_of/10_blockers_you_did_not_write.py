assert len(bad.requests[0].body) > 400_000 and not bad.worst_block.in_app
assert threaded.worst_block.seconds > bad.worst_block.seconds / 4 and threaded.worst_canary > bad.worst_canary / 8
assert mine.requests[0].ok and len(mine.requests[0].body) < len(bad.requests[0].body) / 10
assert longest_block < bad.worst_block.seconds
lags = {name: race.worst_block.seconds if race.worst_block else 0 for name, race in ways.items()}
assert lags["/json_response"] < lags["returned"] and lags["/ready_made"] < lags["returned"] / 2
assert lags["/streamed"] < lags["returned"] / 2
assert len(ways["/streamed"].requests[0].body.splitlines()) == 10_000
validated, large, refused, little = posted.values()
assert [race.requests[0].status for race in posted.values()] == [200, 200, 413, 200]
assert validated.seconds >= 3 * 0.09 and validated.worst_block.code.startswith("requests.get(")
assert not large.worst_block.in_app
longest = [max((block.seconds for block in race.blocked), default=0) for race in posted.values()]
assert longest[2] < longest[1] / 4 and longest[3] < longest[1] / 4
assert logged.seconds >= 5 * 0.09 and logged.worst_block.code.startswith("log.info(")
assert logged.quickest >= 0.09
assert queued.seconds < logged.seconds and queued.blocked_seconds < logged.blocked_seconds / 2
assert {request.body for race in streams.values() for request in race.requests} == {"The tea is ready."}
assert streams["blocking"].seconds >= 4 * 4 * 0.05 and streams["blocking"].blocked_seconds > 4 * 4 * 0.05 / 2
for kind in ("threaded", "awaiting"):
    assert streams[kind].seconds < streams["blocking"].seconds
    assert streams[kind].blocked_seconds < streams["blocking"].blocked_seconds / 2
assert mailed.worst_canary > 0.4 and mailed.requests[0].ok
assert changed.blocked_seconds > 0.25  # with the line as it was
assert sorted(request.status for request in cached.requests) == [200, 500]
assert (
    "cannot reuse already awaited coroutine" in cached.errors[0].message
    or "being awaited already" in cached.errors[0].message
)
assert [request.body for request in together.requests] == 4 * ["1.25"] and fetches == 4
main, worker = "MainThread", "AnyIO worker thread"
assert where["/async_def"] == {"validated_in": main, "request_validated_in": main, "serialised_in": main}
assert where["/def"] == {"validated_in": worker, "request_validated_in": main, "serialised_in": main}
assert 0 < declared.blocked_seconds < bad.blocked_seconds
long_page, short_page = pages.values()
assert "page.render(" in long_page.worst_block.code
assert max((b.seconds for b in short_page.blocked), default=0) < long_page.worst_block.seconds / 2
assert served == {1: 1, 2: 0}
assert not stuck.requests[0].ok and not stuck.canaries[-1].answered
assert jobless.seconds >= 3 * 0.19 and "jobs.get(" in jobless.worst_block.code
assert {request.body for request in jobless.requests} == {'"no job"'}
