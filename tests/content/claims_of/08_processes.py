assert all(request.ok for race in (bad, good, by_value, by_name, own, shared) for request in race.requests)
assert good.worst_canary < bad.worst_canary
assert all(lag[job, "thread"] > lag[job, "inline"] / 6 for job in ("rank", "dump", "match"))
assert all(lag[job, "process"] < lag[job, "thread"] / 2 for job in ("rank", "dump", "match"))
assert lag["count", "thread"] < lag["count", "inline"] / 2 and lag["count", "process"] < lag["count", "inline"] / 2
assert lambda_error.startswith(("PicklingError", "AttributeError")) and b"rank" in pickle.dumps(heavy.rank)
assert [r.body for r in by_value.requests] == [r.body for r in by_name.requests]
assert by_value.worst_canary > by_name.worst_canary
assert len({r.body for r in own.requests}) == 3 and len({r.body for r in shared.requests}) == 1
assert own.quickest > 3 * shared.quickest and own.blocked_seconds > shared.blocked_seconds
assert in_process > 3 * inline
assert same and timed_match("a+$") < (False, slow / 100)
assert statuses["spawn"] == 200 and statuses.get("fork", 504) == 504
if sys.version_info >= (3, 12) and "fork" in multiprocessing.get_all_start_methods():
    forking = (
        "import os, threading, time; threading.Thread(target=time.sleep, args=[1]).start(); os.fork() or os._exit(0)"
    )
    warned = subprocess.run([sys.executable, "-W", "always", "-c", forking], capture_output=True, text=True).stderr
    assert "DeprecationWarning" in warned
assert history["left_alone"] == [200, 500, 500, 500] and history["replaced"] == [200, 503, 200, 200]
megabytes = [memory for _, memory in sizes.values()]
assert len(sizes) > 1 and megabytes == sorted(megabytes)
# four requests that block for 0.5 s each, on two processes: two rounds at least
assert while_loading is None and len(slow_times) == 4 and slow_times[-1] >= 2 * 0.5
assert hasattr(ProcessPoolExecutor, "terminate_workers") == (sys.version_info >= (3, 14))
