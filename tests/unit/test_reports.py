"""Reports come from a process that the learner's code shares: whatever is not one of ours is dropped."""

import json
import random

import pytest

from autograder.lab import reports
from autograder.lab.race import MOST, Race

GOOD = {
    "ready": {"event": "ready", "port": 80, "threads": [1]},
    "turn": {"event": "turn", "start": 1.0, "end": 2.0, "waited": 0.0, "where": [{"file": "a", "line": 3}]},
    "failed": {"event": "failed", "stage": "import", "type": "E", "message": "m", "where": [{"line": 1}]},
    "here": {"event": "here", "question": 1},
    "busy": {"event": "busy", "seconds": 0.1, "where": [{"file": "a", "line": 3}]},
}


@pytest.mark.parametrize("name", GOOD)
def test_reports_of_the_host_are_taken(name):
    assert reports.parse(json.dumps(GOOD[name]).encode())["event"] == name


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{", b"[]", b"null", b"7", b"\xff\xfe", b"[" * 100_000,
        b'{"event": "unknown"}', b'{"event": ["turn"]}', b'{"event": "ready", "port": "x"}',
        b'{"event": "ready", "port": null}', b'{"event": "ready", "port": 1e999, "threads": []}',
        b'{"event": "ready", "port": 99999999, "threads": []}', b'{"event": "failed", "stage": "x"}', b'{"event": "turn", "start": 1, "end": NaN, "where": []}',
        b'{"event": "turn", "start": 1, "end": Infinity, "where": []}',
        b'{"event": "turn", "start": 1, "end": 2, "where": [{"line": 1, "file": 7}]}',
        b'{"event": "busy", "seconds": NaN, "where": []}', b'{"event": "busy", "where": []}',
        b'{"event": "turn", "start": 1, "end": 2, "where": 3}', b'{"event": "turn"}',
    ],
)  # fmt: skip
def test_anything_else_is_dropped(line):
    assert reports.parse(line) is None


def test_long_texts_are_cut():
    report = {**GOOD["failed"], "message": "x" * 10**6, "where": [{"line": 1}] * 1000}
    taken = reports.parse(json.dumps(report).encode())
    assert len(taken["message"]) == reports.TEXT_LIMIT and len(taken["where"]) == 10


def test_texts_can_be_printed_anywhere():
    report = {**GOOD["failed"], "message": "a\ud800b\x1b[31mc\u202ed\ne"}
    message = reports.parse(json.dumps(report).encode())["message"]
    message.encode()
    assert message.startswith("a") and message.endswith("d\ne") and "\x1b" not in message and "\u202e" not in message


def test_random_damage_never_raises():
    rng = random.Random(7)
    for _ in range(5000):
        data = bytearray(json.dumps(rng.choice(list(GOOD.values()))).encode())
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        reports.parse(bytes(data))


def test_flood_meter_counts_what_comes_without_a_break():
    meter = reports.FloodMeter()
    assert not any(meter.floods(100, more=bool(number % 100)) for number in range(10 * reports.FLOOD_LINES))
    assert [meter.floods(100, more=True) for _ in range(reports.FLOOD_LINES + 1)][-1]
    few = reports.FLOOD_BYTES // 1_000_000 + 2
    assert [
        reports.FloodMeter().floods(100, more=True),
        any(meter.floods(1_000_000, more=True) for _ in range(few)),
    ] == [False, True]


def test_race_keeps_a_bounded_number_of_places():
    race = Race("t", "app.py", [], began=0.0)
    for number in range(3 * MOST):
        race.apply(
            {"event": "busy", "seconds": 0.1, "where": [{"file": "a", "line": number, "code": "", "function": ""}]}
        )
    assert len(race.busy) == MOST


DUMP = b"""Thread 0x01 (most recent call first):
  File "/course/serve_app.py", line 86 in die_with_owner
  File "/lib/threading.py", line 982 in run

Current thread 0x02 (most recent call first):
  File "/lib/re/__init__.py", line 166 in match
  File "/home/shop.py", line 6 in x
  File "/course/serve_app.py", line 219 in main
"""


def test_stack_of_the_loop_is_found():
    """Of the threads that faulthandler tells, the loop's is the one that runs main()."""
    dump = reports.StackDump()
    for line in [b"garbage\xff\n", *DUMP.splitlines(keepends=True)[:-1]]:
        dump.take(line)
    assert dump.main_thread("serve_app.py") == [], "it is not there yet"
    dump.take(DUMP.splitlines(keepends=True)[-1])
    frames = dump.main_thread("serve_app.py")
    assert [(frame["file"], frame["line"], frame["function"]) for frame in frames[:2]] == [
        ("/lib/re/__init__.py", 166, "match"),
        ("/home/shop.py", 6, "x"),
    ]


def test_flood_of_lines_is_bounded():
    dump = reports.StackDump()
    for _ in range(10 * reports.STACK_LINES_LIMIT):
        dump.take(b'  File "/a.py", line 1 in x\n')
    assert dump.main_thread("serve_app.py") == [] and len(dump._lines) == reports.STACK_LINES_LIMIT
