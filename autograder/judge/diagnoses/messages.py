"""The messages of diagnoses: what happened, in which line, for how long, and which lesson shows it."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from autograder.judge.diagnoses.lesson_links import pointer, recognised, source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from autograder.judge.spec.endpoint import CheckRequest, Endpoint
    from autograder.lab.race import Blocked, Request
    from autograder.programs.messages.reports import RequestFailed

# the number of threads for asyncio.to_thread: cores + 4. From Python 3.13 on, only the cores that the process may use count
CORES = {os.cpu_count() or 1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1}
TO_THREAD = {min(32, cores + 4) for cores in CORES}
ANYIO_THREADS = 40  # the default limit of anyio's worker threads, which Starlette and FastAPI use


def blocked(stalls: Sequence[Any], requests: int, block: Blocked | None) -> str:
    """The loop was blocked. ``stalls`` has the longest first; ``block`` names the line, if one was seen."""
    seconds = stalls[0].seconds
    if block is None:
        return (
            f"The event loop was blocked for {seconds:.2f} s while {requests} request{'s were' if requests > 1 else ' was'} "
            "in progress. "
            "Look for a call that waits without `await`."
        )
    remark = _remark(block)
    total = sum(stall.block.seconds for stall in stalls if stall.block is not None) or seconds
    function = f" (in {block.function})" if block.in_app and block.function != "<module>" else ""
    return (
        f"The event loop was blocked for {total:.2f} s in all, most of it by {block.quoted_cause}{function}. "
        "While that lasts, no other request is served."
        + remark
        + recognised(block.code, block.callee, block.file if block.in_app else None, block.line)
    )


def _remark(block: Blocked) -> str:
    """A sentence on why a line blocks that doesn't look as if it waits, or ""."""
    statement = _statement(block)
    if "preexec_fn" in statement:
        return (
            " It's the argument `preexec_fn`: that function runs in the child before the program starts, and the event loop waits until "
            "it has returned. Leave it out: pass what it should set as an argument (`cwd`, `env`, `process_group`, `start_new_session`), or "
            "let the program do it."
        )
    leaves = "__exit__" in block.callee or "shutdown" in block.callee
    if re.match(r"(async )?with\b", block.code) or leaves or "Executor(" in block.code:
        if re.search(r"Executor|\bPool\b|shutdown|pool", statement + block.callee):
            return (
                " Leaving the `with` block of a pool waits until all its work is done and its threads or processes have ended. Open the "
                "pool once, in the lifespan, and await what it does." + pointer(5)
            )
    return ""


def _statement(block: Blocked) -> str:
    """The lines of the app's file from the one that blocked to the end of its call, joined."""
    if not block.in_app:
        return block.code
    lines = source(block.file).decode(errors="replace").splitlines()[block.line - 1 : block.line + 8] or [block.code]
    text, depth = "", 0
    for line in lines:
        text += line.strip() + " "
        depth += sum(line.count(c) for c in "([{") - sum(line.count(c) for c in ")]}")
        if depth <= 0:
            break
    return text


def everybody_waits(seconds: float) -> str:
    """A canary was answered only after ``seconds``, although the loop was free."""
    return (
        f"The event loop was free, but a canary still waited for {seconds:.2f} s. A canary requests a path that the app doesn't have, "
        "so something delays every request: a middleware, or a dependency of the whole app."
    )


def client_each(line: int, code: str) -> str:
    """Each request makes its own HTTP client. That takes little time for one request, and adds up for many."""
    return (
        f"Each request creates a new client, in line {line}: {code}. A new client loads certificates, which is work on the "
        "loop with nothing to await: while it lasts, no other request is served. Create one client for the whole app."
        + pointer(2)
    )


def gil(seconds: float, place: tuple[int, str, str, str] | None, line: int | None) -> str:
    """A thread held the GIL. ``place``, if it was seen, is where it computed: (line, code, function, file)."""
    who = ""
    if line and place:
        who = f" by line {line}: {place[1]} (in {place[2]})"
    elif place:
        who = f" by {place[2]}, in {place[3].replace(chr(92), '/').rpartition('/')[2]}"
    return (
        f"The work is in a thread, and the event loop still had to wait for it: {seconds:.2f} s of computing were done"
        f"{who} while the loop was ready to run. Only one thread of a process runs Python at a time: the one that has the GIL. "
        "This work doesn't release it. Move it to another process, with a ProcessPoolExecutor." + pointer(8)
    )


def never_rests(seconds: float, line: int, code: str) -> str:
    """Threads computed, and the loop polled them with ``sleep(0)`` in the `while` of ``line``, so both wanted the GIL all the time."""
    return (
        f"The work is in a thread, and the event loop never rests meanwhile: line {line}, {code}, polls it with `sleep(0)`. Thread and loop "
        f"take the GIL from each other all the time, so the loop waited for it while {seconds:.2f} s of computing were done. Await the "
        "work instead: `asyncio.to_thread` and `run_in_executor` return something awaitable, and `asyncio.wrap_future` makes it of a "
        "pool's future." + pointer(7)
    )


def several_processes() -> str:
    """Requests are served by another process or loop than the app's own."""
    return (
        "Requests are answered by a process or an event loop other than the one that runs your app. That may be "
        "fast, but the exercise asks for one process. Fix the app in place: no `os.fork()`, no server of your own."
    )


def one_at_a_time() -> str:
    """The loop stays free, but the requests are served one at a time."""
    return (
        "The event loop stays free, but the requests are served one at a time: each begins when the one before "
        "has ended. Look for something that they share and that only one of them can have: a lock (also one in the database, such as an "
        "advisory lock), a semaphore or limiter of one, a pool of one thread or one connection, one worker behind a queue. "
        "(A handler of `logging` has a lock, too, and so has `functools.cached_property` before Python 3.12.)"
    )


def same_one_at_a_time(endpoint: Endpoint) -> str:
    """Requests for different things run together, but those for the same thing are served one at a time."""
    return (
        f"{endpoint.route} was requested twice at the same time for the same thing, and the second request began only when the "
        "first had ended, although the event loop was free. Look for a lock, or a queue, that all requests for the same thing "
        "share. Requests may wait at the same time, even those for the same thing."
    )


def few_at_a_time(served: int, requests: int, calls: int = 1) -> str:
    """Only ``served`` of so many requests, or of their calls if each makes several, are under way at a time."""
    if calls == 1:
        what = f"of {requests} requests only {served} are served at a time"
    else:
        what = (
            f"of the {requests * calls} calls that {requests} requests make together ({calls} each) only {served} "
            "are in progress at a time"
        )
    text = f"The event loop stays free, but {what}; the others wait their turn. "
    if served == ANYIO_THREADS:
        return text + _of_the_pool()
    if served in TO_THREAD:
        return text + (
            f"{served} is the size of the pool that asyncio.to_thread and aiofiles use on this machine, four more than it has "
            "cores. A pool of your own can be larger, and async calls need none."
            + _unless_own_limit(served)
            + pointer(9)
        )
    text += (
        f"Look for something with a limit of {served}: a pool of threads or connections, a semaphore or limiter, or work that "
        "is collected and done in batches."
    )
    if served == calls:
        text += f" One request makes {calls} calls, so it may also be a lock that lets in one request at a time."
    return text


def held_meanwhile(service: str) -> str:
    """The sentence that follows if few requests are served at a time, and each also calls another ``service``."""
    return (
        f" If it's a pool of connections to the service ({service}): it may be large enough, and each connection borrowed for too "
        "long. What does a request hold while it waits for something else?"
    )


def _of_the_pool() -> str:
    return (
        f"{ANYIO_THREADS} is the size of the pool of threads that all `def` endpoints, `def` dependencies and "
        f"run_in_threadpool share: n requests then take as long as n/{ANYIO_THREADS}, rounded up, one after the other."
        + _unless_own_limit(ANYIO_THREADS)
        + pointer(9)
    )


def _unless_own_limit(size: int) -> str:
    """Add that a limit which happens to have the size of a pool is a limit all the same."""
    return (
        f" If your code has a limit of {size} itself (a semaphore, a limiter, a pool of connections), that's the cause."
    )


def few_listen(listening: int, requests: int) -> str:
    """All requests have called the service, but not all of them wait for its reply: at most ``listening`` do."""
    text = (
        f"All {requests} requests have called the service, but at most {listening} of them wait for its reply at a time. The "
        "others have a reply waiting, and can't fetch it: after the call they queue for a thread or a connection. "
    )
    return text + (
        _of_the_pool() if ANYIO_THREADS <= listening < requests else "The limit of a pool or a semaphore is too small."
    )


def one_after_the_other(asks: int) -> str:
    """Each request makes its ``asks`` calls one after the other."""
    return (
        f"Different requests run concurrently, but each makes its {asks} calls one after the other: the second call is "
        "made when the first has its reply. Make them together, with asyncio.gather or a TaskGroup."
    )


def did_not_ask(call: CheckRequest, service: str) -> str:
    """A request was answered without the reply of ``service``."""
    return (
        f"{call.request_line} was answered without the reply of the service ({service}): it didn't call the service as the "
        "exercise says, or it did not wait."
    )


def never_called(call: CheckRequest, service: str) -> str:
    """What is done after the response was not done."""
    return (
        f"{call.request_line} was answered, but the service ({service}) was never called for it: the work that belongs "
        "after the response was not done. Is the task created, and is everything in it awaited?"
    )


def asked_again(call: CheckRequest, service: str) -> str:
    """``service`` was called twice for a result that the app must cache."""
    return (
        f"{call.request_line} was requested twice, and the service ({service}) was called twice. Its first reply "
        "must be cached."
    )


def kept(call: CheckRequest, service: str) -> str:
    """A request was answered from a copy, without waiting for the new reply of ``service``."""
    return (
        f"{call.request_line} was requested again, and answered without the new reply of the service ({service}): an answer was "
        "cached. The exercise asks for a new call for every request."
    )


def called_again(endpoint: Endpoint, count: int) -> str:
    """The service was called ``count`` times for the same thing, which the app must cache."""
    return (
        f"{endpoint.route} was requested twice for the same thing, and the service ({endpoint.service}) was called {count} times: "
        "the second request came before the first had its reply, and called the service as well. One call is enough for both: keep "
        "the call that is in progress (a task, or a lock for each key), and let later requests wait for it."
        + pointer(10)
    )


def called_twice(route: str, service: str, count: int, expected: int) -> str:
    """A service was called ``count`` times for what needs ``expected`` calls."""
    thing = {
        "commands": "started the program",
        "work": "did the work",
        "redis": "put the job",
        "files": "read the file",
    }.get(service, f"called the service ({service})")
    return (
        f"The app {thing} {count} times where {expected} {'was' if expected == 1 else 'were'} needed: called twice, or once more "
        f"than the exercise asks. {route} makes one call for each thing that it needs. A call whose result is dropped "
        "counts as well: it costs the service as much as the others."
    )


def shared_call(endpoint: Endpoint) -> str:
    """Two requests for the same thing were answered from one call."""
    return (
        f"{endpoint.route} was requested twice at the same time for the same thing, and both were answered from one call of the "
        f"service ({endpoint.service}): the second request shared the call of the first. The exercise asks for a call of its own for "
        "every request, so don't share calls that are in progress."
    )


def shared_wait(call: CheckRequest, seconds: float) -> str:
    """A request was answered too early, together with the same request before it."""
    return (
        f"{call.request_line} was sent while the same request was in progress, and answered after {seconds:.2f} s together "
        f"with that one, although it was to wait {call.wait:.2f} s: the two shared one call. Every request must wait for its own."
    )


def did_not_wait(endpoint: Endpoint, seconds: float) -> str:
    """A request was answered while the reply to its call was held."""
    return (
        f"{endpoint.route} was answered while the service ({endpoint.service}) still held its reply, {seconds:.1f} s after the call: "
        "the answer was cached, or made up because the service was slow. The exercise asks for the new reply, however long "
        "it takes."
    )


def answered_together(endpoint: Endpoint) -> str:
    """A short request was answered only when a long one was."""
    return (
        f"A request to {endpoint.route} had all that it needed, and was answered only together with another one that had to wait "
        "longer. The event loop was free. Look for something that collects requests and answers them together: a batch, a barrier, "
        "a condition that waits until no other request is in progress."
    )


def waits_for_the_service(endpoint: Endpoint) -> str:
    """An endpoint that must respond first was answered only after the service had replied."""
    return (
        f"{endpoint.route} was not answered while the service ({endpoint.service}) held its reply. It must respond at once, and call "
        "the service after the response: in a background task, or in a task that the app creates."
    )


def waits_for_a_while(endpoint: Endpoint, seconds: float) -> str:
    """An endpoint that must respond first gave the service ``seconds`` to reply before it was answered."""
    return (
        f"{endpoint.route} was answered {seconds:.1f} s after it had called the service ({endpoint.service}), although the event loop "
        "was free: it waits for the reply, and gives up. It must respond at once, and call the service after the response: in a "
        "background task, or in a task that the app creates."
    )


def left_running(endpoint: Endpoint, seconds: float) -> str:
    """A call was still in progress ``seconds`` after the response had said that it's late."""
    return (
        f"{endpoint.route} gave up in time, and what it had started went on: {LEFT_RUNNING.get(endpoint.service, LEFT_CALL)} "
        f"{seconds:.0f} s after the response. A timeout ends your waiting; what you waited for has to be ended, too."
    )


WAITS_FOR_OUTPUT = " Waiting for the end of a process (`wait`, `communicate`) also waits for its output to end, and another process may still hold that."
LEFT_CALL = "its call was still waiting for the reply of the service"
LEFT_RUNNING = {
    "commands": "the program was still running",
    "postgres": "the query was still waiting in the database, and kept its connection,",
    "mysql": "the query was still waiting in the database, and kept its connection,",
    "work": "the work was still being done",
}


def waits_on(endpoint: Endpoint, patience: float) -> str:
    """A request that must give up was answered only when the service replied."""
    return (
        f"{endpoint.route} must give up after its patience, here {patience:.1f} s. It was answered only when the service "
        f"({endpoint.service}) replied, long after that, although the event loop was free: something still waits for the call to end."
    ) + (WAITS_FOR_OUTPUT if endpoint.service == "commands" else "")


def slow_to_give_up(late_s: float) -> str:
    """The requests that must give up took ``late_s`` seconds longer, all together, than they may wait: no verdict."""
    return (
        f"the requests that must give up took {late_s:.0f} s longer, all together, than they may wait. Try again; and if the machine "
        "is not busy: what does the app do after a request's patience has ended?"
    )


def not_given_back(endpoint: Endpoint, count: int, said: str) -> str:
    """After ``count`` requests had given up, the next ones weren't answered; ``said`` is what happened to one of them."""
    return (
        f"After {count} requests to {endpoint.route} had given up and were answered, {said} The first ones still hold something that "
        "is limited and wasn't given back: a connection, or a place in a pool or a semaphore."
    )


def error_lost(endpoint: Endpoint, said: str) -> str:
    """The service refused a call, and the response was wrong; ``said`` is what the response was."""
    return (
        f"{refused(endpoint)}{said.rstrip('.')}. An error that's only caught, dropped or left in a list is lost. Look for what becomes of the "
        "exception: `gather(..., return_exceptions=True)` puts it among the results, and an `except` that goes on hides it."
    )


def refused(endpoint: Endpoint) -> str:
    """The beginning of a message on what followed when the service had refused a call."""
    of = f"one of the {endpoint.upstream_calls} calls" if endpoint.upstream_calls > 1 else "the call"
    return f"The service ({endpoint.service}) refused {of} of a request with status 503. "


def not_cancelled(endpoint: Endpoint, seconds: float) -> str:
    """The service refused a call, and another one was still in progress ``seconds`` after the response."""
    return (
        f"{refused(endpoint)}{endpoint.route} was answered, and its other call was still waiting for the service {seconds:.0f} s later. "
        "The first exception ended your waiting, but not that call: `gather` leaves the others running, and so does a task or a thread "
        "that isn't awaited. Wait for all of them, or cancel them, as a `TaskGroup` does with its tasks."
    )


def too_early(call: CheckRequest, seconds: float) -> str:
    """A request was answered after ``seconds``, before its wait was over."""
    return (
        f"{call.request_line} was answered after {seconds:.2f} s, but it must wait {call.wait:.2f} s first. "
        "Keep the wait, and make it one that lets the loop serve other requests. (Is an `await` missing? Was the wait removed, or a "
        "result cached?)"
    )


def too_late(call: CheckRequest, seconds: float) -> str:
    """A request was answered ``seconds`` later than it was due."""
    return (
        f"{call.request_line} was answered {seconds:.1f} s later than it could have been, although the event loop was "
        "free all the time. Look for something that waits longer than the exercise asks, or once more than it should; or for a "
        "lock or limiter that the requests share for a part of their wait: with a lock around each slice, every wait grows "
        "with the number of requests."
    )


def wrong_status(call: CheckRequest, request: Request) -> str:
    """The response's status isn't 200."""
    text = f"{call.request_line} was answered with status {request.status}. {_excerpt(request.body)}".rstrip()
    if request.status in (404, 405):
        text += " Use the method and the path that the exercise names."
    return text


def wrong_body(call: CheckRequest, request: Request, hint: str = "") -> str:
    """The response's body isn't the expected one."""
    return f"{call.request_line} must respond with {_as_json(call.expected)}. It responded with {_excerpt(request.body)}{hint}"


def server_error(call: CheckRequest, error: RequestFailed, hint: str = "") -> str:
    """A request ended in an exception: its message and the learner's line, followed by the ``hint``."""
    where = error.where[-1] if error.where else None
    said = ": " + error.message.splitlines()[0] if error.message.strip() else ""
    text = f"{call.request_line} ended in {error.type}{said}"
    if where:
        text += f" (line {where.line}: {where.code})"
    return text + ("." if hint else "") + hint


def missing_await(
    name: str | None = None, line: int | None = None, code: str = "", ended: str = "", hint: str = ""
) -> str:
    """A coroutine wasn't awaited. ``name`` is its name and ``line`` and ``code`` where it was made, if they're known.

    ``ended`` is the diagnosis of the exception that it led to, if any, and comes first. ``hint`` replaces the advice to write
    `await` where something else helps.
    """
    if ended and name is None:
        return ended + " An `await` is missing, before the call that returned this coroutine."
    if ended:
        return f"{ended} {missing_await(name, line, code, hint=hint)}"
    if name is None:
        return (
            "The endpoint returned a coroutine instead of a result: an `await` is missing, most likely before a call "
            "whose result it returns. (A function with `await` in it is `async def`.)"
        )
    where = f" (line {line}: {code})" if line else ""
    # a function inside a library: the learner hasn't written that name
    theirs = "<locals>" in name or (code and name.rpartition(".")[2] not in code)
    called = f"A coroutine{where} was created" if theirs else f"The coroutine `{name}`{where} was called"
    done = f"{called} but never awaited, so its work was not done. "
    if hint:
        return done + hint
    if code.startswith(("with ", "for ")):
        word = code.split()[0]
        return done + f"This `{word}` must be `async {word}`."
    return done + "Write `await` before the call (and make the function that contains it `async def`)."


def no_answer(call: CheckRequest, limit: float) -> str:
    """A request had no response within ``limit`` seconds."""
    return (
        f"{call.request_line} had no response after {limit:.0f} s. Look for an endless loop or a wait that never ends."
    )


def died(call: CheckRequest, code: str = "") -> str:
    """The server process ended during a request. ``code`` is the text of its file."""
    text = f"The server ended while it worked on {call.request_line}. "
    if "killpg" in code:
        return text + (
            "`os.killpg` kills every process of a group, and a program that is started without `start_new_session=True` is in "
            "the server's own group."
        )
    return text + "Look for sys.exit(), os._exit() or a crash."


def _as_json(response: object) -> str:
    """Return the expected response as FastAPI would write it: the learner compares it with what the app has sent."""
    try:
        return json.dumps(response, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError):
        return repr(response)


def _excerpt(body: str) -> str:
    text = " ".join(body.split())
    return (text[:160] + "…") if len(text) > 160 else (text or "an empty body")
