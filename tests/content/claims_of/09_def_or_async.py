assert bad.seconds >= 10 * 0.2 and bad.worst_block.code == "time.sleep(wait)"
assert all(race.ratio < bad.ratio and race.worst_canary < bad.worst_canary for race in (plain, awaited))
assert all(race.blocked_seconds < bad.blocked_seconds / 2 for race in (plain, awaited))
assert called.seconds >= 5 * 0.2 and called.worst_block.function == "fetch" and measured["/called"]
assert offloaded.blocked_seconds < called.blocked_seconds / 2
assert all(request.ok for race in (four, forty, more, second, few, many) for request in race.requests)
assert all(waits[path] >= 1.4 and waits[path] > waits["/async_ping"] for path in pings if path != "/async_ping")
assert all(more_waits[path] < waits[path] for path in pings if path != "/async_ping")
quick = next(request for request in four.requests if request.path == "/async_ping")
assert all(request.seconds > quick.seconds for request in four.requests if request is not quick)
assert forty.blocked_seconds < bad.blocked_seconds / 2
assert pooled_each > 3 * awaited_each
assert seen["/live"] == {200} and 503 in seen["/ready"] and afterwards == 200
assert all(other_waits[path] >= 0.9 for path in ("/thread_ping", "/name_ping"))
assert other_waits["/def_ping"] < other_waits["/thread_ping"]
assert many.worst_canary > few.worst_canary
assert outcomes["/dependency"][500] > 0 and outcomes["/inside"] == {200: 60}
assert on_loop == {"/from_thread": "true", "/asyncio_run": "false"}
# what has been waited for on one loop refuses to be waited for on another
queue = asyncio.Queue()
first_loop = asyncio.create_task(queue.get())
await asyncio.sleep(0)
try:
    refused = await asyncio.to_thread(lambda: asyncio.run(queue.get()))
except RuntimeError as error:
    refused = str(error)
assert "different event loop" in refused and first_loop.cancel()
