"""Samples cross a pipe with named fields, and whatever is not one of ours is refused."""

import json

import pytest

from autograder.programs.messages import PAGE_FAULT, RUNNING, SYSCALL, LoopSample, parse_syscall, poll_descriptor

SAMPLE = LoopSample(1.0, 0.5, 0.1, 7, SYSCALL, 232, 5, {"12": [0.1, 0.2]}, 0.3, {"99": 0.1})


def test_sample_survives_the_pipe():
    assert LoopSample.from_wire(json.loads(json.dumps(SAMPLE.to_wire()))) == SAMPLE


@pytest.mark.parametrize(
    "damage",
    [
        {"time": "1"}, {"time": float("nan")}, {"cpu": None}, {"slices": 1.5}, {"state": "asleep"}, {"syscall": None},
        {"argument": "0x5"}, {"others": {"1": [1]}}, {"others": {"1": [1, float("inf")]}}, {"children": {"1": "x"}}, {"more": 1},
    ],
)  # fmt: skip
def test_damaged_sample_is_refused(damage):
    with pytest.raises(ValueError):
        LoopSample.from_wire({**SAMPLE.to_wire(), **damage})


def test_missing_field_is_refused():
    fields = SAMPLE.to_wire()
    del fields["slices"]
    with pytest.raises(ValueError):
        LoopSample.from_wire(fields)


def test_syscall_file_is_read():
    """Outside a system call Linux says -1: the thread waits for a page of memory, and that is no sleep of its choosing."""
    assert parse_syscall(b"running\n") == (RUNNING, None, None)
    assert parse_syscall(b"-1 0x7ffd 0x7f00\n") == (PAGE_FAULT, None, None)
    assert parse_syscall(b"232 0x5 0x7f 0x400 0x0 0x0 0x0 0x7ffd 0x7f00\n") == (SYSCALL, 232, 5)


def test_poll_descriptor_is_the_first_argument():
    assert SAMPLE.call == "232 0x5" and poll_descriptor(SAMPLE.call) == 5
    assert [poll_descriptor(call) for call in (None, RUNNING, PAGE_FAULT)] == [None, None, None]
