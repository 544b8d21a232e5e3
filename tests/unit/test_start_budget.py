"""Whether a start will ever end is decided by what the process does, never by the clock."""

import os
import signal
import subprocess
import sys

import pytest
from helpers import until

from autograder.lab import start_budget
from autograder.lab.start_budget import StartBudget, StartTimeout


class Machine:
    """A process and a clock that a test sets; the process starts nothing unless ``child``, a state, is set."""

    def __init__(self, monkeypatch):
        self.now, self.state, self.cpu, self.child = 0.0, "S", 0.0, ""
        monkeypatch.setattr(start_budget.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(
            start_budget, "process_times", lambda pid: (self.state, self.cpu) if pid == 1 else (self.child, 0.0)
        )
        monkeypatch.setattr(start_budget, "descendants", lambda pid, zombies: [2] if self.child else [])

    def pass_time(self, budget, seconds, cpu=0.0, modules=0):
        """Let time pass, and return what the budget says at its end."""
        for _ in range(round(seconds / 0.1)):
            self.now += 0.1
            self.cpu += cpu * 0.1
            if spent := budget.observe(modules):
                return spent
        return ""


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


def test_starved_start_is_awaited(machine):
    """At a load of 80 an app gets a hundredth of a CPU: after ten minutes it has used six seconds."""
    machine.state = "R"
    assert machine.pass_time(StartBudget(1, 30.0), 600.0, cpu=0.01) == ""


def test_endless_loop_is_found(machine):
    machine.state = "R"
    assert machine.pass_time(StartBudget(1, 30.0), 31.0, cpu=1.0) == "computing"


def test_endless_sleep_is_found(machine):
    assert machine.pass_time(StartBudget(1, 30.0), 31.0) == "sleeping"


@pytest.mark.parametrize("state, child", [("T", ""), ("T", "S"), ("S", "T"), ("Z", ""), ("D", "S"), ("D", "T")])
def test_stopped_start_is_found(machine, state, child):
    """A start is recognised as stuck if the process stopped itself, or waits in vfork for a sleeping child."""
    machine.state, machine.child = state, child
    assert machine.pass_time(StartBudget(1, 30.0), 31.0) == "sleeping"


def test_imports_are_progress(machine):
    """A large library may take its time, as long as it imports more and more of itself."""
    budget = StartBudget(1, 30.0)
    for modules in range(1, 10):
        assert machine.pass_time(budget, 20.0, cpu=1.0, modules=modules) == ""


def test_disk_wait_is_no_sleep(machine):
    """Waiting for the disk or for child processes doesn't count as sleeping."""
    machine.state = "D"
    assert machine.pass_time(StartBudget(1, 30.0), 100.0) == ""
    machine.state, machine.child = "S", "R"
    assert machine.pass_time(StartBudget(1, 30.0), 100.0) == ""


def test_gap_between_observations_counts_little(machine):
    """A gap between two observations counts little, because the observer may have waited for a CPU itself."""
    budget = StartBudget(1, 30.0)
    for _ in range(10):
        machine.now += 60.0
        assert budget.observe(0) == ""


def test_hopeless_machine_is_no_fault(machine):
    """After twenty minutes it is an error of the machine's, which the judge takes for an ERROR, not for a FAIL."""
    machine.state = "R"
    with pytest.raises(StartTimeout) as caught:
        machine.pass_time(StartBudget(1, 30.0), start_budget.GIVE_UP_S + 1)
    assert isinstance(caught.value, OSError) and "too busy" in str(caught.value)


def test_process_times_are_read():
    """The state and CPU time of a process are read; a process that is gone has none."""
    import os

    state, cpu = start_budget.process_times(os.getpid())
    assert state == "R" and cpu > 0
    assert start_budget.process_times(2**22 + 1) == (None, None)


@pytest.mark.linux
def test_cpu_of_forks_counts():
    """The CPU time of forks counts, because a fork bomb's first process alone would take an hour to use up its budget."""
    script = "import os\nfor _ in range(3):\n    if os.fork() == 0:\n        while True: pass\nos.read(0, 1)\n"
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, start_new_session=True)
    try:
        budget = StartBudget(process.pid, 1.0)
        until(lambda: budget.observe(0) == "computing")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
