"""Sends the requests of a race and measures their times, in a process that does nothing else.

`autograder.lab.load_generator_client` starts it by path as ``python -I load_generator.py``. It reads orders on stdin and
writes events to stdout, one per line (`messages.races`). When stdin closes, the owner has ended, and this process kills the
process groups that it guards.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import queue
import signal
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from autograder.programs import procfs
    from autograder.programs.http_connection import Connection, Disconnected
    from autograder.programs.messages import decode, encode, races
    from autograder.programs.private import keep_private
else:  # started by path: the folder isn't a package
    HERE = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, HERE)
    import procfs
    from http_connection import Connection, Disconnected
    from messages import decode, encode, races
    from private import keep_private

    sys.path.remove(HERE)

BODY_LIMIT = 1_000_000  # bytes that are read of one response
CANARY_LIMIT = 64_000  # bytes that are read of the response to a canary
SAMPLE_EVERY = 0.002  # s between two samples while the loop thread runs
SAMPLE_AT_MOST = 0.008  # s between two samples while it doesn't
ASLEEP_FROM = 0.1  # s of sleep of the loop thread after which it's reported, and again after each further period
READ = {"x86_64": 0, "aarch64": 63}.get(platform.machine())  # the number of the system call `read`
FUTEX = {"x86_64": 202, "aarch64": 98}.get(
    platform.machine()
)  # ... of the one in which a thread waits for a lock or the GIL
OPEN_LIMIT = 2.0  # s in which the connections of a race must open; slower ones open during the race


class Thread:
    """The first thread of a process as Linux reports it: CPU seconds, run-queue seconds, time slices, system call."""

    def __init__(self, pid: int) -> None:
        self._counts = procfs.SchedStat(pid)
        self._call = procfs.SyscallFile(pid)

    def sched(self) -> tuple[float, float, int]:
        """Return (CPU seconds, run-queue seconds, number of time slices) so far.  Raises `OSError` if the thread has ended."""
        return self._counts.read()

    def call(self) -> tuple[races.LoopState, int | None, int | None]:
        """Return (state, number, first argument) of the system call in which it sleeps; see `races.LoopSample`."""
        return races.parse_syscall(self._call.read())

    def close(self) -> None:
        """Close the files of /proc that it reads."""
        self._counts.close()
        self._call.close()


class OtherThreads:
    """All threads of a process except the first: the CPU seconds and run-queue seconds of each, by thread id."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._counts: dict[int, procfs.SchedStat] = {}
        self._last: dict[int, tuple[float, float]] = {}

    def changed(self) -> dict[str, list[float]]:
        """Return {thread id: [CPU seconds, run-queue seconds]} of the threads whose times have changed since the last sample."""
        here = set(procfs.thread_ids(self.pid)) - {self.pid}
        for tid in set(self._counts) - here:
            self._counts.pop(tid).close()
        found = {}
        for tid in here:
            try:
                if tid not in self._counts:
                    self._counts[tid] = procfs.SchedStat(self.pid, tid)
                cpu, waited, _ = self._counts[tid].read()
            except (OSError, ValueError):
                continue  # the thread has just ended
            if self._last.get(tid) != (cpu, waited):
                self._last[tid] = cpu, waited
                found[str(tid)] = [cpu, waited]
        return found

    def close(self) -> None:
        """Close the files of /proc that it reads."""
        for counts in self._counts.values():
            counts.close()


def children_waited(pid: int, of_all_threads: bool = False) -> dict[str, float]:
    """Return the run-queue seconds of each process that the first or any thread of a process started, by process id, newest last."""
    found = {}
    try:
        # the kernel lists those of one thread as they were started; those of several can only be put in order by their ids
        for child in sorted(procfs.children(pid)) if of_all_threads else procfs.children(pid, pid):
            found[str(child)] = procfs.thread_times(child)[1]
    except (OSError, ValueError):
        pass  # the system doesn't list children, or a child has just ended
    return found


def older_children(waited: dict[str, float], seconds: float) -> dict[str, float]:
    """Return those of the children that have existed for more than so many seconds."""
    older = {}
    for child, queued in waited.items():
        with contextlib.suppress(OSError, ValueError):
            if procfs.age_s(int(child)) > seconds + 1 / procfs.TICKS_PER_S:
                older[child] = queued
    return older


class Race:
    """One race: requests that are sent together, one canary at a time during them, and samples of the loop thread."""

    def __init__(
        self, order: races.StartRace, send_event: Callable[[races.RaceEvent], None], own: procfs.OwnSchedStat
    ) -> None:
        self.order = order
        self.own = own
        self.id = order.race
        self.send_event = send_event
        self.samples: list[races.LoopSample] = []
        self.orders = {request.key: asyncio.Event() for request in order.requests if request.on_order}

    async def run(self) -> None:
        """Run the race and report its events, the last of which is `RaceEnded`."""
        # One connection per request: a server closes a connection after an error, and could close a shared one just when the
        # next request is written to it.
        connections = [Connection(self.order.base, self.order.socket) for _ in self.order.requests]
        own = Connection(self.order.base, self.order.socket)
        background: list[asyncio.Task[None]]
        background, elsewhere = [], 0
        if self.order.canary:
            # open connections before the race, so that this work isn't measured
            before = self._accepted()
            opened = await self._open([*connections, own])
            elsewhere = self._elsewhere(before) if opened else 0
            background.append(asyncio.create_task(self._canaries(own, self.order.canary)))
        threads = self._threads()
        if threads:
            background.append(asyncio.create_task(self._sample(*threads)))
        start = time.perf_counter()
        self.send_event(races.RaceStarted(self.id, start, elsewhere))
        tasks = [
            asyncio.create_task(self._send(connection, request))
            for connection, request in zip(connections, self.order.requests, strict=True)
        ]
        try:
            async with asyncio.timeout(self.order.limit):
                await asyncio.gather(*tasks)
            if background:
                # once one more canary is answered, the iteration that sent the last response is over and reported
                await self._ping(connections[0])
                for _ in range(self.order.after):
                    await asyncio.sleep(self.order.canary_every)
                    await self._ping(connections[0])
        except TimeoutError:
            pass
        finally:
            for task in tasks + background:
                task.cancel()
            await asyncio.gather(*tasks, *background, return_exceptions=True)
            if threads:
                self._take_sample(*threads)
                for thread in threads:
                    thread.close()
            for connection in [*connections, own]:
                connection.close()
            self.send_event(races.RaceEnded(self.id, time.perf_counter(), self.samples))

    async def _open(self, connections: list[Connection]) -> bool:
        """Open the connections in order. Return True if a canary on the last one is answered: then the app has accepted all."""
        try:
            async with asyncio.timeout(OPEN_LIMIT):
                for connection in connections:
                    await connection.open()
        except (OSError, TimeoutError):
            return False
        return await self._ping(connections[-1])

    def _accepted(self) -> set[int] | None:
        if self.order.epoll is None:
            return None
        try:
            return procfs.accepted_sockets(urlsplit(self.order.base).port, self.order.socket)
        except (OSError, IndexError, ValueError):
            return None

    def _elsewhere(self, before: set[int] | None) -> int:
        """Return how many of the open connections the app's loop doesn't poll: another loop, or process, has accepted them."""
        after = self._accepted()
        if before is None or after is None or self.order.pid is None or self.order.epoll is None:
            return 0
        try:
            return len(after - before - procfs.polled_sockets(self.order.pid, self.order.epoll))
        except (OSError, ValueError, StopIteration):
            return 0

    async def _ping(self, connection: Connection) -> bool:
        """Send one canary; return True if it was answered."""
        try:
            async with asyncio.timeout(OPEN_LIMIT):
                await connection.request("GET", self.order.canary or "/", limit=CANARY_LIMIT)
        except (OSError, Disconnected, ValueError, TimeoutError):
            return False
        return True

    async def _send(self, connection: Connection, request: races.RaceRequest) -> None:
        if request.at:
            await asyncio.sleep(request.at)
        key = request.key
        if key in self.orders:
            await self.orders[key].wait()
        status = error = None
        body = b""
        self.send_event(races.RequestSent(self.id, key, time.perf_counter()))
        try:
            status, body = await connection.request(
                request.method, request.path, request.headers, request.json, BODY_LIMIT
            )
        except (OSError, Disconnected, ValueError) as problem:
            error = f"{type(problem).__name__}: {problem}".rstrip(": ")
        except asyncio.CancelledError:
            error = "no response"
        ended = time.perf_counter()
        text = body[:BODY_LIMIT].decode(errors="replace")
        self.send_event(races.RequestDone(self.id, key, ended, status, error, text))

    async def _canaries(self, connection: Connection, path: str) -> None:
        while True:
            waited = self.own.read()[1]
            sent = time.perf_counter()
            self.send_event(races.CanarySent(self.id, sent))
            answered = True
            try:
                await connection.request("GET", path, limit=CANARY_LIMIT)
            except (OSError, Disconnected, ValueError):
                answered = False
            except asyncio.CancelledError:
                end = time.perf_counter()
                self.send_event(races.CanaryDone(self.id, sent, end, self.own.read()[1] - waited, False))
                raise
            end = time.perf_counter()
            self.send_event(races.CanaryDone(self.id, sent, end, self.own.read()[1] - waited, answered))
            await asyncio.sleep(self.order.canary_every)

    def _threads(self) -> tuple[Thread, OtherThreads] | None:
        try:
            if pid := self.order.pid:
                return Thread(pid), OtherThreads(pid)
        except OSError:
            pass  # not Linux, or no permission
        return None

    async def _sample(self, thread: Thread, others: OtherThreads) -> None:
        """Take samples: frequently while the loop thread runs, less often while it sleeps and they would all be equal."""
        every, state, since, reported = SAMPLE_EVERY, None, 0.0, 0.0
        while True:
            self._take_sample(thread, others)
            if self.samples:
                newest = self.samples[-1]
                now = newest.time
                if newest.state == races.RUNNING or state != (newest.slices, newest.call):
                    every, state, since, reported = SAMPLE_EVERY, (newest.slices, newest.call), now, now
                else:
                    every = min(2 * every, SAMPLE_AT_MOST)
                if now - reported >= ASLEEP_FROM:
                    reported = now
                    self.send_event(races.LoopAsleep(self.id, since, now, newest.call))
            await asyncio.sleep(every)

    def _take_sample(self, thread: Thread, others: OtherThreads) -> None:
        try:
            call = thread.call()
            cpu, waited, slices = thread.sched()
            if thread.sched()[2] != slices:
                call = "running", None, None  # it ran between the two reads
            changed = others.changed()
        except (OSError, IndexError):
            return  # the process has ended
        now, own = time.perf_counter(), self.own.read()[1]
        # It may wait for a child's exec, and the child for a CPU; the kernel adds that time once the child has had one. A thread
        # that starts a child holds the GIL meanwhile, and the loop thread waits for it.
        calls = {call[1], self.samples[-1].syscall if self.samples else None} - {None}
        started = children_waited(others.pid, FUTEX in calls) if calls & {READ, FUTEX} else None
        if started and self.samples and self.samples[-1].children is None:
            # children that are younger than the sample before have waited for a CPU only since then
            before = self.samples[-1]
            self.samples[-1] = replace(before, children=older_children(started, now - before.time))
        self.samples.append(races.LoopSample(now, cpu, waited, slices, *call, changed, own, started))


class LoadGenerator:
    """Carries out orders one at a time, and writes events from a thread, so that a slow reader never delays a race."""

    def __init__(self) -> None:
        self.out: queue.SimpleQueue[races.RaceEvent] = queue.SimpleQueue()
        self.guarded: set[int] = set()
        self.task: asyncio.Task[None] | None = None
        self.race: Race | None = None
        self.own = procfs.OwnSchedStat()

    def send_event(self, event: races.RaceEvent) -> None:
        """Queue an event for the owner."""
        self.out.put(event)

    def _write(self) -> None:
        while True:
            events = [self.out.get()]
            while not self.out.empty():
                events.append(self.out.get())
            try:
                sys.stdout.write("".join(encode(event) + "\n" for event in events))
                sys.stdout.flush()
            except OSError:
                return

    def _read(self, loop: asyncio.AbstractEventLoop, orders: asyncio.Queue[races.RaceOrder]) -> None:
        for line in sys.stdin:
            order: races.RaceOrder = decode(line, *races.RACE_ORDERS)
            if isinstance(order, races.Guard):
                self.guarded.add(order.pid)
            elif isinstance(order, races.Unguard):
                self.guarded.discard(order.pid)
            else:
                loop.call_soon_threadsafe(orders.put_nowait, order)
        for pid in self.guarded:
            kill_group(pid)
        os._exit(0)

    async def main(self) -> None:
        """Carry out orders; never returns."""
        orders: asyncio.Queue[races.RaceOrder] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._write, daemon=True).start()
        threading.Thread(target=self._read, args=(loop, orders), daemon=True).start()
        while True:
            order = await orders.get()
            if isinstance(order, races.Cancel) and self.task:
                self.task.cancel()
            elif isinstance(order, races.Send) and self.race and order.key in self.race.orders:
                self.race.orders[order.key].set()
            elif isinstance(order, races.StartRace):
                self.task = asyncio.create_task(self._race(order))

    async def _race(self, order: races.StartRace) -> None:
        try:
            self.race = Race(order, self.send_event, self.own)
            await self.race.run()
        except Exception as problem:
            self.send_event(races.RaceBroken(order.race, f"{type(problem).__name__}: {problem}"))


def kill_group(pid: int) -> None:
    """Kill a process group, or on Windows end one process. Do nothing if it has ended."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGTERM)
    except OSError:
        pass


if __name__ == "__main__":
    keep_private()
    if hasattr(signal, "SIGINT"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the notebook, which then sends Cancel
    asyncio.run(LoadGenerator().main())
