assert at_once(bad) == 1 < at_once(good) and bad.seconds >= 6 * 0.29
assert bad.worst_block.code == "subprocess.check_output([LABELS, wait])" and bad.worst_block.function == "label"
# each of these holds its thread until the program has ended
nap = [sys.executable, "-c", "import time; time.sleep(0.2)"]
for wait_for in (
    lambda: subprocess.run(nap),
    lambda: subprocess.call(nap),
    lambda: subprocess.check_call(nap),
    lambda: os.system(subprocess.list2cmdline(nap)),
    lambda: os.popen(subprocess.list2cmdline(nap)).read(),
    lambda: subprocess.Popen(nap).wait(),
):
    began = time.perf_counter()
    wait_for()
    assert time.perf_counter() - began >= 0.2
assert good.seconds < bad.seconds and good.ratio < bad.ratio and good.blocked_seconds < bad.blocked_seconds / 2
assert at_once(plain) > 1 and 1 < at_once(thread) <= threads
assert one_by_one.quickest >= 3 * 0.29 and together.quickest < one_by_one.quickest
assert [request.body for request in one_by_one.requests + together.requests] == 4 * ["3"]
assert stuck and read == 1_000_001
assert not short_stuck and short_read == 10_001
assert survivor and code == -9
assert len(left["give_up"]) == 4 and left["stop"] == []
assert by_program == by_function and with_program > 10 * with_function
assert ready == b"ready\n" and orphans and shell.returncode == -9
assert at_once(limited) <= cores < at_once(burst)
# all at once they share the cores, and half of the requests are done late; as a share of the race, since other programs of
# this machine may slow one of the two races down
halves = [
    statistics.median(request.end for request in race.requests) / max(request.end for request in race.requests)
    for race in (burst, limited)
]
assert halves[1] < halves[0] and {request.status for request in burst.requests + limited.requests} == {200}
assert not folder.exists()
