"""Messages through a pipe have named fields, and both sides refuse everything that isn't exactly such a message."""

import dataclasses
import inspect
import json
import typing

import pytest

from autograder.programs import messages
from autograder.programs.messages import (
    Message,
    MessageError,
    decode,
    encode,
    grading,
    races,
    reports,
    sandbox,
    upstream,
)
from autograder.programs.messages.races import (
    PAGE_FAULT,
    RUNNING,
    SYSCALL,
    LoopSample,
    RaceEnded,
    parse_syscall,
    poll_descriptor,
)

SAMPLE = LoopSample(1.0, 0.5, 0.1, 7, SYSCALL, 232, 5, {"12": [0.1, 0.2]}, 0.3, {"99": 0.1})
MODULES = (reports, races, upstream, sandbox, grading)
CLASSES = [
    cls
    for module in MODULES
    for _, cls in inspect.getmembers(module, inspect.isclass)
    if issubclass(cls, Message) and cls is not Message
]
# For each type of a field: a value, and some that are not of it.
VALUES = {
    float: (0.5, [None, "0.5", True, float("nan"), float("inf"), [0.5]]),
    int: (5, [None, "5", 5.0, True, [5]]),
    str: ("x", [None, 5, ["x"]]),
    bool: (True, [None, 1, "true"]),
}


def example(hint):
    """(a value of a type, some that are not of it)."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint in VALUES:
        return VALUES[hint]
    if hint is typing.Any:
        return {"any": [1, None]}, []
    if origin is list:
        value, others = example(inner[0])
        return [value, value], [None, value, {"0": value}, *([value, other] for other in others)]
    if origin is dict:
        value, others = example(inner[1])
        return {"a": value}, [None, [value], *({"a": other} for other in others)]
    if origin is typing.Literal:
        return inner[-1], [None, 5, "unknown", [inner[-1]]]
    if type(None) in inner:
        value, others = example(next(part for part in inner if part is not type(None)))
        return value, [other for other in others if other is not None]
    message = message_of(hint)
    return message, [None, 5, [message]]


def message_of(cls):
    """A message of a class, with a value for every field."""
    hints = typing.get_type_hints(cls)
    return cls(**{field.name: example(hints[field.name])[0] for field in dataclasses.fields(cls)})


def on_the_wire(cls):
    return message_of(cls).to_wire()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_message_survives_the_pipe(cls):
    message = message_of(cls)
    assert cls.from_wire(json.loads(json.dumps(message.to_wire()))) == message
    if cls.kind:
        assert decode(encode(message), cls) == message


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_reader_refuses_damaged_messages(cls):
    """A message that lacks a field, or has a wrong one, is refused when it is read."""
    fields = on_the_wire(cls)
    damaged = [
        {**fields, "more": 1},
        list(fields),
        None,
        *({k: v for k, v in fields.items() if k != name} for name in fields),
    ]
    for name, hint in typing.get_type_hints(cls).items():
        if name in fields:
            damaged += [{**fields, name: other} for other in example(hint)[1] if not isinstance(other, Message)]
    for found in damaged:
        with pytest.raises(MessageError, match=cls.__name__):
            cls.from_wire(found)


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls is not LoopSample], ids=lambda cls: cls.__name__)
def test_writer_refuses_damaged_messages(cls):
    """Of samples there are hundreds a second: they are checked where they're read."""
    message = message_of(cls)
    for name, hint in typing.get_type_hints(cls).items():
        if name in message.to_wire():
            for other in example(hint)[1]:
                with pytest.raises(MessageError, match=name):
                    dataclasses.replace(message, **{name: other}).to_wire()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_messages_cannot_be_changed(cls):
    name = next((field.name for field in dataclasses.fields(cls)), "kind")
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(message_of(cls), name, None)


@pytest.mark.parametrize(
    "family",
    [reports.REPORTS, races.RACE_ORDERS, races.RACE_EVENTS, upstream.UPSTREAM_ORDERS, upstream.UPSTREAM_NEWS,
     sandbox.FORKSERVER_ORDERS, sandbox.INTRODUCTIONS, grading.WORKER_NEWS],
)  # fmt: skip
def test_kinds_on_one_pipe_differ(family):
    kinds = [cls.kind for cls in family]
    assert all(kinds) and len(set(kinds)) == len(kinds)


def test_every_kind_has_a_pipe():
    """Every kind of message belongs to the messages of some pipe."""
    families = [
        value for module in MODULES for name, value in vars(module).items() if name.isupper() and type(value) is tuple
    ]
    alone = {upstream.UpstreamSettings, sandbox.ForkserverReady, grading.GradeSubmission}
    assert {cls for family in families for cls in family} | alone == {cls for cls in CLASSES if cls.kind}


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "null", '{"t": 1}', '{"kind": "started"}', '{"kind": ["ended"]}', "[" * 100_000]
)
def test_other_kinds_are_refused(line):
    """A line with another kind of message is refused."""
    with pytest.raises(MessageError):
        decode(line, RaceEnded)


@pytest.mark.parametrize(
    "damage",
    [{"state": "asleep"}, {"syscall": None}, {"argument": None}, {"others": {"1": [1]}}, {"others": {"1": [1, 2, 3]}}],
)
def test_contradictory_sample_is_refused(damage):
    """A sample whose parts contradict each other is refused."""
    with pytest.raises(MessageError):
        LoopSample.from_wire({**SAMPLE.to_wire(), **damage})
    assert LoopSample.from_wire(SAMPLE.to_wire()) == SAMPLE


def test_annotations_are_read_only_once():
    """Annotations are read once per class, because a report must only take microseconds."""
    assert messages._checks_of(RaceEnded) is messages._checks_of(RaceEnded)


def test_syscall_file_is_read():
    """Outside a system call Linux says -1: the thread waits for a page of memory, and that is no sleep of its choosing."""
    assert parse_syscall(b"running\n") == (RUNNING, None, None)
    assert parse_syscall(b"-1 0x7ffd 0x7f00\n") == (PAGE_FAULT, None, None)
    assert parse_syscall(b"257 0xffffffffffffff9c 0x7f 0x80000 0x0 0x0 0x0 0x7ffd 0x7f00\n") == (SYSCALL, 257, -100)
    assert parse_syscall(b"232 0x5 0x7f 0x400 0x0 0x0 0x0 0x7ffd 0x7f00\n") == (SYSCALL, 232, 5)


def test_poll_descriptor_is_first_argument():
    """The descriptor of a poll is the first argument of its system call."""
    assert SAMPLE.call == "232 0x5" and poll_descriptor(SAMPLE.call) == 5
    assert [poll_descriptor(call) for call in (None, RUNNING, PAGE_FAULT)] == [None, None, None]
