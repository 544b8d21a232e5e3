"""What most likely helps against an exception of the learner's app, in a sentence: the mistakes that many make.

The exception alone says what Python could not do.  What was meant is recognised by its words, the learner's line and,
where that line came later than the mistake, the text of the file.
"""

import re

THREADS = r"to_thread|run_in_threadpool|run_sync"
CALLED = re.compile(rf"\b({THREADS})\(\s*([A-Za-z_][\w.]*)\((.*?)\)")
# the line of a statement over several lines may name the hand-over only
OVER = re.compile(rf"\b({THREADS}|run_in_executor|submit)\(")


def remedy(message, code, text=""):
    """The sentence for an exception with this ``message`` in the line ``code`` of a file with this ``text``, or nothing."""
    for known in (_gather, _awaited, _handed_over, _lifespan, _no_pipe, _shared, _kept):
        if found := known(message, code, text):
            return " " + found
    return ""


def _gather(message, code, text):
    if "gather" in code and "unhashable type" in message:
        return "`gather` takes coroutines one by one: put a star before the list, as in `gather(*coroutines)`."
    if "_GatheringFuture" in message or ("gather(" in code and "await wasn't used" in message):
        return "What `gather(...)` gives must be awaited: `await asyncio.gather(...)`."
    if "'coroutine'" in message and any(_pair(found) for found in re.findall(r"=\s*await\s+([^\n#]+)", text)):
        return "An `await` belongs to one call: in `await a(), b()` only the first is awaited."
    return ""


def _awaited(message, code, text):
    if "can't be used in 'await' expression" not in message or "'coroutine'" in message:
        return ""
    found = re.search(r"\bawait\s+(.+)", code)
    call = _first_call(found[1]) if found else ""
    what = f"`{call}`" if call else "The call"
    return (
        f"{what} has already done its work, and any waiting, on the loop. `await` does not make a call awaitable: "
        "use one that is made for it, or a thread."
    )


def _handed_over(message, code, text):
    if not re.search(r"^'(?!coroutine)[\w.]+' object is not callable", message) or not OVER.search(code):
        return ""
    found = CALLED.search(code)
    how = f", as in `{found[1]}({', '.join(filter(None, [found[2], found[3]]))})`" if found else ""
    return f"Hand over the function and do not call it{how}: a thread can only do what has not been done yet."


def _lifespan(message, code, text):
    found = re.match(r"'State' object has no attribute '(\w+)'", message)
    told = "Was the app told of the lifespan, as in `FastAPI(lifespan=lifespan)`?"
    return f"Nobody has set `app.state.{found[1]}`. {told}" if found else ""


def _no_pipe(message, code, text):
    nothing = "'NoneType'" in message and re.search(r"create_subprocess_|\bPopen\(|subprocess\.run\(", text)
    if nothing and not re.search(r"\bPIPE\b|capture_output", text):
        return "Nobody has caught what the program prints: start it with `stdout=asyncio.subprocess.PIPE`."
    return ""


def _shared(message, code, text):
    if "another operation is in progress" in message:
        return "One connection carries one query at a time: use a pool, which lends each request one of its own."
    return ""


def _kept(message, code, text):
    if re.search(r"already awaited coroutine|being awaited already", message) and re.search(
        r"@(functools\.)?(lru_)?cache\b", text
    ):
        return "The cache has kept the coroutine and not its result: keep what the `await` gives, in a dictionary."
    return ""


def _pair(text):
    """True if behind the first call another one follows, after a comma."""
    return bool(re.match(r"\s*,\s*[A-Za-z_][\w.]*\(", text[len(_first_call(text)) :]))


def _first_call(text):
    """``text`` up to the bracket that closes its first call."""
    depth = 0
    for index, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == ")" and depth <= 0:
            return text[: index + 1] if depth == 0 else text[:index]
    return text.strip()
