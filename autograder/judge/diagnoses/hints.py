"""Hints for exceptions of a learner's app: for each common mistake, a sentence that says what most likely helps.

An exception only says what Python couldn't do. The mistake behind it is recognised from the exception's message, the
learner's line and, if the mistake is in an earlier line, the text of the file.
"""

from __future__ import annotations

import re

OFFLOADERS = r"to_thread|run_in_threadpool|run_sync"
OFFLOADED_CALL = re.compile(rf"\b({OFFLOADERS})\(\s*([A-Za-z_][\w.]*)\((.*?)\)")
# the reported line of a multi-line statement may contain only the beginning of the call
OFFLOADS = re.compile(rf"\b({OFFLOADERS}|run_in_executor|submit)\(")

# characters of a line that are read: a pattern that goes to the end of a line took minutes for a long one
LINE_MAX = 300

TIMEOUT_ERRORS = {"TimeoutError", "ReadTimeout", "PoolTimeout", "ConnectTimeout", "WriteTimeout", "QueryCanceledError"}

TASK_GROUP = re.compile(r"TaskGroup\(|create_task_group\(")
CATCHES_GROUP = re.compile(r"ExceptionGroup|except\s*\*")
SECOND_LOOP = re.compile(r"cannot be called from a running event loop|event loop is already running")


def polls(text: str) -> tuple[int, str] | None:
    """Return (line, code) of a `while` loop that does nothing but ``sleep(0)``, as the app's ``text`` shows it, or None."""
    found = re.search(r"^([ \t]*)while\b([^\n]{0,200}):\s*(?:#[^\n]*)?\n\s*await \w+\.sleep\(0\)", text, re.MULTILINE)
    return (text.count("\n", 0, found.start()) + 1, f"while{found[2]}:") if found else None


def uncaught_group(text: str) -> str:
    """Return the hint for a file that runs calls in a task group and doesn't catch what that raises, or ""."""
    if not TASK_GROUP.search(text) or CATCHES_GROUP.search(text):
        return ""
    return (
        " A task group raises an ExceptionGroup, which an `except` for the error itself doesn't catch: `except*` does, or "
        "`except ExceptionGroup`."
    )


def remedy(message: str, code: str, text: str = "") -> str:
    """Return the hint for an exception with this ``message`` in the line ``code`` of a file with this ``text``, or ""."""
    message, code, text = message[:2000], code[:LINE_MAX], _with_short_lines(text)
    for known in (
        _gather,
        _awaited,
        _plain_file,
        _second_loop,
        _task,
        _handed_over,
        _lifespan,
        _no_pipe,
        _one_by_one,
        _placeholder,
        _patience,
        _pool,
        _brackets,
        _pickled,
        _shared,
        _kept,
    ):
        if found := known(message, code, text):
            return " " + found
    return ""


def _with_short_lines(text: str) -> str:
    return "\n".join(line[:LINE_MAX] for line in text.splitlines())


def _gather(message: str, code: str, text: str) -> str:
    if "gather" in code and "unhashable type: 'list'" in message and re.search(r"gather\(\s*(\[|\w+\s*\))", code):
        return "`gather` takes coroutines one by one: put a star before the list, as in `gather(*coroutines)`."
    # Python 3.11 accepts a generator as a coroutine here, later versions don't
    generator = re.search(r"gather\((?!\s*\*)[^\n]*\bfor\b", code + text)
    if generator and re.search(r"bad yield|awaitable is required", message):
        return "`gather` takes coroutines one by one: put a star before them, as in `gather(*(ask(x) for x in many))`."
    if (
        "gather(" in code
        and re.search(r"unhashable type|awaitable is required", message)
        and "await" not in _inside(code)
    ):
        return "`gather` takes coroutines: what is called inside it must be `async def`, or run in a thread."
    if "coroutines is forbidden" in message:
        return "`asyncio.wait` takes tasks: pass the coroutines to `gather`, or create tasks from them."
    if "awaitable is required" in message and re.search(r"gather\([^\n]*\bawait\b", code + text):
        return (
            "Don't write `await` inside `gather`: it takes the coroutines, and waits for all of them together, as in "
            "`await asyncio.gather(a(), b())`."
        )
    if "_GatheringFuture" in message or ("gather(" in code and "await wasn't used" in message):
        return "The result of `gather(...)` must be awaited: `await asyncio.gather(...)`."
    if "'coroutine'" in message and any(_pair(found) for found in re.findall(r"=\s*await\s+([^\n#]+)", text)):
        return "An `await` belongs to one call: in `await a(), b()` only the first is awaited."
    return ""


def _awaited(message: str, code: str, text: str) -> str:
    if "can't be used in 'await' expression" not in message or "'coroutine'" in message:
        return ""
    found = re.search(r"\bawait\s+(.+)", code)
    call = _first_call(found[1]) if found else ""
    if within := re.match(r"(?:asyncio\.)?(?:wait_for|shield)\((.+)\)$", call):
        call = _first_call(within[1])
    what = f"`{call}`" if call else "The call"
    if re.search(r"\.(kill|terminate|send_signal|cancel|set|put_nowait|add_task)\([^()]*\)$", call):
        return f"{what} returns at once, with nothing to wait for: leave out its `await`."
    return (
        f"{what} has already done its work, and any waiting, on the loop. `await` does not make a call awaitable: "
        "use an async version of it, or a thread."
    )


def _plain_file(message: str, code: str, text: str) -> str:
    if "asynchronous context manager" not in message:
        return ""
    if "'_io." in message:
        return "A file from `open` can't be used with `async`: use `aiofiles.open`, or do all of it in a thread, including `open`."
    if "PoolExecutor" in message:
        return (
            "A pool doesn't support `async with`, and leaving its `with` block waits on the loop: open it once, in the lifespan, and "
            "await `run_in_executor`."
        )
    return "It doesn't support `async with`: write `with`, or use the library's class for asyncio."


def _second_loop(message: str, code: str, text: str) -> str:
    if SECOND_LOOP.search(message):
        return "The app's own loop is running: write `await` before the coroutine, without a loop of your own. Lesson 00 shows it."
    return ""


def _task(message: str, code: str, text: str) -> str:
    if re.search(r"'(_asyncio\.)?(Task|Future)'", message) and "await" not in message:
        return "A task is not its result: `await` it, or call its `.result()` when the group has ended."
    if message == "Result is not set.":
        return "The task has not ended yet: call its `.result()` after the block of the TaskGroup, not inside it."
    return ""


def _brackets(message: str, code: str, text: str) -> str:
    found = re.search(r"'coroutine' object (?:has no attribute '(\w+)'|is not subscriptable)", message)
    if found and re.search(r"\bawait\s[^\n]*\)\s*[.\[]", code):
        return "In such a line `await` applies last: put parentheses around it and its call, as in `(await call()).result`."
    return ""


def _pickled(message: str, code: str, text: str) -> str:
    if re.search(r"^(Can't|cannot) (pickle|get) (local object|local attribute|.*<lambda>)", message, re.I):
        return "Another process finds a function by its name: pass one that is defined at the top level of the file, not a lambda."
    return ""


def _pool(message: str, code: str, text: str) -> str:
    if "pool is not initialized" in message:
        return "A pool is created where a loop runs: in the lifespan, with `await` or `async with`."
    if "QueuePool limit" in message:
        return (
            "All connections of the pool were in use for so long that the wait for one ended: the pool is smaller than the number of "
            "requests that hold one, or they hold it for too long."
        )
    if "Too many connections" in message and re.search(r"(?<!Blocking)ConnectionPool\b", text):
        return "When all its connections are in use, a `ConnectionPool` raises an error and a `BlockingConnectionPool` waits. Is it large enough?"
    return ""


def _one_by_one(message: str, code: str, text: str) -> str:
    if re.search(r"not (list|tuple)$", message) and "create_subprocess_exec" in code:
        return "`create_subprocess_exec` takes the program and its arguments one by one, without a list around them."
    return ""


def _placeholder(message: str, code: str, text: str) -> str:
    if 'at or near "%"' in message and "asyncpg" in text:
        return "asyncpg's placeholders are `$1` and `$2` where psycopg has `%s`, and it takes the values one by one."
    return ""


def _patience(message: str, code: str, text: str) -> str:
    if "unexpected keyword argument 'timeout'" in message and re.search(r"(?<!Blocking)ConnectionPool\b", text):
        return "Only a `BlockingConnectionPool` waits for a free connection, and has a `timeout` for it."
    return ""


def _handed_over(message: str, code: str, text: str) -> str:
    if not re.search(r"^'(?!coroutine)[\w.]+' object is not callable", message) or not OFFLOADS.search(code):
        return ""
    found = OFFLOADED_CALL.search(code)
    how = f", as in `{found[1]}({', '.join(filter(None, [found[2], found[3]]))})`" if found else ""
    return f"Pass the function itself{how}. With the parentheses it's called first, on the event loop, and the thread gets only its result."


def _lifespan(message: str, code: str, text: str) -> str:
    found = re.match(r"'State' object has no attribute '(\w+)'", message)
    question = "Did you pass the lifespan to the app: `FastAPI(lifespan=lifespan)`?"
    return f"`app.state.{found[1]}` was never set. {question}" if found else ""


def _no_pipe(message: str, code: str, text: str) -> str:
    nothing = "'NoneType'" in message and re.search(r"create_subprocess_|\bPopen\(|subprocess\.run\(", text)
    if nothing and not re.search(r"\bPIPE\b|capture_output", text):
        return "The program's output isn't captured. Start it with `stdout=asyncio.subprocess.PIPE`."
    return ""


def _shared(message: str, code: str, text: str) -> str:
    if "another operation is in progress" in message:
        return "A connection runs one query at a time: use a pool, which gives each request a connection of its own."
    return ""


def _kept(message: str, code: str, text: str) -> str:
    if re.search(r"already awaited coroutine|being awaited already", message) and re.search(
        r"@(functools\.)?(lru_)?cache\b", text
    ):
        return "The cache holds the coroutine, not its result: keep the awaited result, in a dictionary."
    return ""


def remedy_of_coroutine(name: str, text: str) -> str:
    """Return the hint for a coroutine function ``name`` that was never awaited, if ``text`` passes it to a thread, or ""."""
    short = re.escape(name.rpartition(".")[2])
    if re.search(rf"\b({OFFLOADERS})\(\s*{short}\s*[,)]", text) and re.search(rf"\basync def {short}\b", text):
        return f"`{name}` is `async def`, and a thread cannot await it: make it a plain `def`, or await it without a thread."
    return ""


def gave_up(kind: str) -> str:
    """Return the hint for an exception of the class named ``kind`` if it means that the app's own timeout has passed, or ""."""
    if kind in TIMEOUT_ERRORS:
        return " A timeout in the app passed before the reply came. The service may take long: use a longer timeout."
    return ""


def _inside(code: str) -> str:
    """Return ``code`` from the opening bracket of its first `gather` on."""
    return code[code.index("gather(") + 7 :]


def _pair(text: str) -> bool:
    """Return True if a comma and a second call follow the first one."""
    return bool(re.match(r"\s*,\s*[A-Za-z_][\w.]*\(", text[len(_first_call(text)) :]))


def _first_call(text: str) -> str:
    """Return ``text`` up to the bracket that closes its first call."""
    depth = 0
    for index, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == ")" and depth <= 0:
            return text[: index + 1] if depth == 0 else text[:index]
    return text.strip()


def remedy_of_answer(body: str) -> str:
    """Return the hint for a wrong response with this ``body``, or ""."""
    if re.search(r'"(SELECT|INSERT|UPDATE|DELETE) \d+( \d+)?"', body):
        return " asyncpg's `execute` returns the status of the command: use `fetchval` to get the value."
    return ""
