"""Findings are computed by pure functions from reports, so races made by hand are enough."""

import asyncio
import contextlib
import gc
import threading
import time

import pytest
from freeloop import durations, findings, report_html, report_text, request_plan
from freeloop.core import loop_watchdog
from freeloop.env_file import EnvFileError, read_env_file
from helpers import until


def place(line, seconds, collection="", file="/srv/shop/main.py"):
    return {
        "file": file,
        "line": line,
        "code": f"call_{line}()",
        "function": "f",
        "collection": collection,
        "seconds": seconds,
    }


def turn(start, end, *where, **more):
    return {"event": "turn", "start": start, "end": end, "where": list(where), "waited": 0.0, **more}


def test_cpu_wait_is_no_block():
    """Waiting for a CPU or for memory is not counted as blocking."""
    block = findings.block_of(turn(0.0, 1.0, place(3, 0.1), waited=0.7, threads_waited=0.1, paged=0.1))
    assert block.blocked_s == pytest.approx(0.1) and block.cpu_wait_s == 0.7


def test_automatic_collection_counts_separately():
    """A call of gc.collect() is a line of the service; a collection that just happens isn't."""
    happens = findings.block_of(turn(0.0, 1.0, place(3, 0.9, "automatic"), place(4, 0.1)))
    assert happens.blocked_s == pytest.approx(0.1) and happens.gc_s == 0.9
    called = findings.block_of(turn(0.0, 1.0, place(3, 1.0, "explicit")))
    assert called.blocked_s == 1.0 and not called.gc_s


def test_first_request_counts_separately():
    reports = [turn(0.1, 0.4, place(3, 0.3)), turn(1.1, 1.15, place(4, 0.05))]
    route = findings.route_of("GET /", reports, (0.0, 1.0, 2.0), [], [], "/srv/shop/")
    assert route.first_s == pytest.approx(0.3) and route.longest_s == pytest.approx(0.05)
    assert [line.line for line in route.first_lines] == [3] and [line.line for line in route.lines] == [4]
    audit = findings.Audit("a:b", "3", "asyncio", "iterations", "linux", "/", False, routes=[route], budget_s=0.1)
    assert not audit.over_budget
    audit.first_counts = True
    assert audit.over_budget == [route]


def test_endless_block_is_found():
    """An iteration that hasn't ended when the audit is over counts as it was reported last."""
    late = [{**turn(1.0, end, place(3, end - 1.0)), "event": "late"} for end in (1.1, 3.0)]
    ended = [turn(0.1, 0.4, place(4, 0.3)), {**turn(0.1, 0.3, place(4, 0.2)), "event": "late"}]
    (first, stuck) = findings.blocks_of([*ended, *late], 0.0, 5.0)
    assert (first.blocked_s, stuck.blocked_s) == pytest.approx((0.3, 2.0)) and stuck.where[0]["line"] == 3
    assert findings.stuck_s([*ended, *late]) == pytest.approx(2.0)
    assert findings.stuck_s([*late, turn(1.0, 3.1)]) == findings.stuck_s([]) == 0.0
    assert findings.stuck_s([turn(1.0, 3.1), *late]) == 0.0, "the two events come from two threads"


def test_computing_threads_are_shown():
    """What computed in other threads is shown if a canary was late meanwhile."""
    busy = {"event": "busy", "t": 1.5, "seconds": 0.3, "where": [place(7, 0.3)]}
    for late, shown in ((0.2, True), (0.01, False)):
        canary = findings.Sent(1.2, 1.2 + late, 200)
        route = findings.route_of("GET /", [busy], (0.0, 1.0, 2.0), [], [canary], "/srv/shop/")
        audit = findings.Audit("a:b", "3", "asyncio", "iterations", "linux", "/", False, routes=[route])
        assert ("main.py:7  computed in other threads for 300 ms" in report_text.text(audit)) is shown


def test_own_lines_come_first():
    """Lines of the app come before lines of libraries, however long these block."""
    library = place(9, 0.5, file="/usr/lib/x.py")
    blocks = [findings.block_of(turn(0.0, 0.8, library, place(3, 0.3)))]
    assert [line.place for line in findings.lines_of(blocks, "/srv/shop/")] == ["main.py:3", "/usr/lib/x.py:9"]


def test_uvloop_report_names_its_limits():
    """The report says what can't be seen with uvloop or outside of Linux."""
    audit = findings.Audit("a:b", "3", "uvloop", "callbacks", "linux", "/", False)
    assert "can't be observed" in report_text.text(audit) and "can&#x27;t be observed" in report_html.page(audit)
    audit = findings.Audit("a:b", "3", "asyncio", "iterations", "darwin", "/", True)
    assert "uvloop is installed" in report_text.text(audit) and "Only Linux reports" in report_text.text(audit)


def test_html_escapes_code():
    reports = [turn(1.1, 1.5, {**place(3, 0.4), "code": "<script>alert(1)</script>"})]
    route = findings.route_of("GET /<b>", reports, (0.0, 1.0, 2.0), [], [], "/srv/shop/")
    page = report_html.page(findings.Audit("a:b", "3", "asyncio", "iterations", "linux", "/", False, routes=[route]))
    assert "<script" not in page and "<b>" not in page and "&lt;script&gt;" in page


@pytest.mark.parametrize("how", ["attach", "outside"])
def test_watchdog_attaches_while_running(tmp_path, how):
    """Neither the loop nor its policy is replaced; a loop that shows no iterations is watched from outside.

    When the loop is closed, nothing of the watchdog stays in the process.
    """
    reports, seen = [], threading.Event()
    callbacks, threads = list(gc.callbacks), set(threading.enumerate())

    def tell(**report):
        reports.append(report)
        if report["event"] == "turn" and report["end"] - report["start"] > 0.2:
            seen.set()

    async def main():
        iterations = loop_watchdog.LoopIterations(tell, str(__file__).rpartition("/")[0])
        iterations.start()
        loop = asyncio.get_running_loop()
        if how == "attach":
            assert loop_watchdog.attach(loop, iterations)
        else:
            loop_watchdog.watch_from_outside(loop, iterations)
        while not seen.is_set():
            await asyncio.sleep(0.02)
            time.sleep(0.25)
        loop_watchdog.detach(loop)

    # not asyncio.run: once nest-asyncio has patched it in this process, it leaves the loop open
    with contextlib.closing(asyncio.new_event_loop()) as own:
        own.run_until_complete(main())
    lines = {item["code"] for report in reports if report["event"] == "turn" for item in report["where"]}
    assert "time.sleep(0.25)" in lines
    until(lambda: not [thread for thread in threading.enumerate() if thread not in threads])
    assert gc.callbacks == callbacks


def test_loop_without_selector_is_refused():
    assert not loop_watchdog.attach(object(), None)


@pytest.mark.parametrize("text, value", [("50ms", 0.05), ("0.2s", 0.2), ("1.5", 1.5), ("1m", 60.0)])
def test_durations_have_units(text, value):
    assert durations.seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "ms", "-1s", "0", "5 parsecs"])
def test_wrong_duration_is_refused(text):
    with pytest.raises(ValueError, match="isn't a duration"):
        durations.seconds(text)


def test_env_file_is_read(tmp_path):
    file = tmp_path / ".env"
    file.write_text("A=1\n# no\nexport B='two words' # c\nC=\"x\\ny\"\nD=a#b\nE= \nF=u=v # w\n")
    assert read_env_file(file) == {"A": "1", "B": "two words", "C": "x\ny", "D": "a#b", "E": "", "F": "u=v"}
    file.write_text("A=1\nwhat\n")
    with pytest.raises(EnvFileError, match=":2 isn't NAME=value"):
        read_env_file(file)


def test_plan_takes_values_in_order():
    """From the file, then from an example, then a guess, which is named."""
    schema = {"type": "integer", "minimum": 5}
    parameters = [
        {"in": "path", "name": "a", "example": 3},
        {"in": "path", "name": "b", "schema": schema},
        {"in": "query", "name": "c", "required": True, "schema": {"$ref": "#/components/schemas/C"}},
        {"in": "query", "name": "d", "schema": {}},
    ]
    openapi = {
        "paths": {"/x/{a}/{b}": {"get": {"parameters": parameters}, "delete": {}}},
        "components": {"schemas": {"C": {"enum": ["red", "blue"]}}},
    }
    (request,) = request_plan.plan(openapi, []).requests
    assert request.path == "/x/3/5?c=red" and request.guessed == ("b",)
    values = {"b": "p/q", "GET /x/{a}/{b}": {"path": {"a": 8}, "query": {"d": True}}}
    (request,) = request_plan.plan(openapi, [], values=values).requests
    assert request.path == "/x/8/p%2Fq?c=red&d=true" and not request.guessed
    assert list(request_plan.plan(openapi, []).skipped) == ["DELETE /x/{a}/{b}"]
    assert len(request_plan.plan(openapi, [], include=["DELETE"]).requests) == 2


def test_recursive_body_is_guessed():
    """A request body is guessed from a schema that contains itself."""
    node = {
        "type": "object",
        "required": ["child", "n"],
        "properties": {"child": {"$ref": "#/components/schemas/N"}, "n": {"type": "integer"}},
    }
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/N"}}}
    openapi = {"paths": {"/x": {"post": {"requestBody": {"content": content}}}}, "components": {"schemas": {"N": node}}}
    (request,) = request_plan.plan(openapi, [], include=["POST"]).requests
    assert b'"n": 1' in request.body and request.guessed == ("body",)


def test_ended_thread_has_no_times():
    """Reading the times of a thread that has ended returns zeros."""
    made = []
    thread = threading.Thread(target=lambda: made.append(loop_watchdog.ThreadTimes()))
    thread.start()
    thread.join()
    while made[0].read() != (0.0, 0.0):
        time.sleep(0.01)  # the kernel still knows it for a moment
