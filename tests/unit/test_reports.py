"""Reports come from a process that runs learner's code, so everything that isn't a valid report is dropped."""

import json
import random

import pytest

from autograder.lab import reports
from autograder.lab.race import REPORTS_LIMIT, Race
from autograder.programs.messages import encode
from autograder.programs.messages.reports import (
    GilHeld,
    Here,
    Iteration,
    Place,
    PythonWarning,
    Ready,
    RequestFailed,
    StartFailed,
    ThreadCpu,
)

WHERE = [Place("a.py", 3, "x()", "f", seconds=0.1)]
GOOD = [
    Ready(80, [1], True),
    Ready(None, [], False),
    Here(1),
    Iteration(1.0, 2.0, where=WHERE),
    ThreadCpu(0.1, WHERE),
    GilHeld(1.0, 2.0, 0.5, WHERE),
    StartFailed("import", "E", "m", WHERE),
    RequestFailed("/x", "E", "m", WHERE),
    PythonWarning("m", WHERE),
]


def fields(report):
    return json.loads(encode(report))


def parsed(report, **changes):
    return reports.parse(json.dumps(fields(report) | changes).encode())


@pytest.mark.parametrize("report", GOOD, ids=lambda report: report.kind)
def test_process_reports_are_accepted(report):
    """Every report that the served process sends is accepted."""
    assert reports.parse(encode(report).encode()) == report


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b"\xff\xfe",
        b"[" * 100_000,
        b"{}",
        b'{"kind": "unknown"}',
        b'{"kind": ["here"]}',
    ],
)
def test_anything_else_is_dropped(line):
    assert reports.parse(line) is None


@pytest.mark.parametrize(
    "report, changes",
    [
        (Ready(80, [1], True), {"port": "x"}), (Ready(80, [1], True), {"port": 1e999}), (Iteration(1.0, 2.0), {"tasks": 10**4000}), (Here(1), {"question": -(10**400)}), (Ready(80, [1], True), {"port": 99999999}),
        (Ready(80, [1], True), {"port": 0}), (Ready(80, [1], True), {"threads": [1.5]}), (Ready(80, [1], True), {"stacks": 1}),
        (StartFailed("import"), {"stage": "x"}), (StartFailed("import"), {"others": [1]}), (Here(1), {"question": True}), (Here(1), {"more": 1}),
        (Iteration(1.0, 2.0), {"end": float("nan")}), (Iteration(1.0, 2.0), {"end": float("inf")}),
        (Iteration(1.0, 2.0), {"end": 10**400}), (Iteration(1.0, 2.0), {"phase": "later"}), (Iteration(1.0, 2.0), {"where": 3}),
        (Iteration(1.0, 2.0), {"where": [{"line": 1, "file": 7}]}), (Iteration(1.0, 2.0), {"where": [7]}),
        (ThreadCpu(0.1, []), {"seconds": float("nan")}), (ThreadCpu(0.1, []), {"seconds": None}),
    ],
)  # fmt: skip
def test_damaged_report_is_dropped(report, changes):
    assert parsed(report) == report and parsed(report, **changes) is None


def test_incomplete_report_is_dropped():
    """A report that lacks a field is dropped."""
    for report in GOOD:
        for name in fields(report):
            rest = {key: value for key, value in fields(report).items() if key != name}
            assert reports.parse(json.dumps(rest).encode()) is None, name


def test_long_texts_are_cut():
    taken = parsed(
        StartFailed("import"), message="x" * 10**6, where=[vars(Place(file="y" * 10**5))] * 1000, others=["z"] * 99
    )
    assert len(taken.message) == reports.TEXT_LIMIT and len(taken.where) == len(taken.others) == reports.LIST_LIMIT
    assert len(taken.where[0].file) == reports.TEXT_LIMIT


def test_negative_durations_are_none():
    """Moments may be negative, as a clock's zero is anywhere; time that was spent can't."""
    taken = parsed(Iteration(-2.0, -1.0), waited=-5.0, where=[vars(Place(seconds=-1.0))])
    assert (taken.start, taken.end, taken.waited, taken.where[0].seconds) == (-2.0, -1.0, 0.0, 0.0)
    assert parsed(ThreadCpu(0.1, []), seconds=-7).seconds == 0


def test_texts_can_be_printed_anywhere():
    message = parsed(StartFailed("import"), message="a\ud800b\x1b[31mc\u202ed\ne").message
    message.encode()
    assert message.startswith("a") and message.endswith("d\ne") and "\x1b" not in message and "\u202e" not in message


def test_random_damage_never_raises():
    rng = random.Random(7)
    for _ in range(5000):
        data = bytearray(encode(rng.choice(GOOD)).encode())
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        reports.parse(bytes(data))


def test_flood_meter_counts_unbroken_lines():
    """Only lines and bytes without a break count as a flood."""
    meter = reports.FloodMeter()
    assert not any(meter.floods(100, more=bool(number % 100)) for number in range(10 * reports.FLOOD_LINES))
    assert [meter.floods(100, more=True) for _ in range(reports.FLOOD_LINES + 1)][-1]
    few = reports.FLOOD_BYTES // 1_000_000 + 2
    assert [
        reports.FloodMeter().floods(100, more=True),
        any(meter.floods(1_000_000, more=True) for _ in range(few)),
    ] == [False, True]


def test_race_bounds_its_places():
    """A race keeps a bounded number of places."""
    race = Race("t", "app.py", [], began=0.0)
    for number in range(3 * REPORTS_LIMIT):
        race.apply(ThreadCpu(0.1, [Place("a", number)]))
    assert len(race.busy) == REPORTS_LIMIT


DUMP = b"""Thread 0x01 (most recent call first):
  File "/course/serve_app.py", line 86 in die_with_owner
  File "/lib/threading.py", line 982 in run

Current thread 0x02 (most recent call first):
  File "/lib/re/__init__.py", line 166 in match
  File "/home/shop.py", line 6 in x
  File "/course/serve_app.py", line 219 in main
"""


def test_loop_stack_is_found():
    """In faulthandler's output, the loop's thread is the one that runs main()."""
    dump = reports.StackDump()
    for line in [b"garbage\xff\n", *DUMP.splitlines(keepends=True)[:-1]]:
        dump.take(line)
    assert dump.main_thread("serve_app.py") == [], "it is not there yet"
    dump.take(DUMP.splitlines(keepends=True)[-1])
    frames = dump.main_thread("serve_app.py")
    assert [(frame.file, frame.line, frame.function) for frame in frames[:2]] == [
        ("/lib/re/__init__.py", 166, "match"),
        ("/home/shop.py", 6, "x"),
    ]


def test_flood_of_lines_is_bounded():
    dump = reports.StackDump()
    for _ in range(10 * reports.STACK_LINES_LIMIT):
        dump.take(b'  File "/a.py", line 1 in x\n')
    assert dump.main_thread("serve_app.py") == [] and len(dump._lines) == reports.STACK_LINES_LIMIT
