"""A diagnosis sends the learner to the lesson that shows it, and to none where the call is not known."""

import os
import warnings

import pytest

from autograder.judge.diagnoses.lesson_links import SIZE_LIMIT, in_no_endpoint, recognised


@pytest.mark.parametrize(
    "code, callee, lesson",
    [
        ("time.sleep(wait)", "", 1),
        ("requests.get(url)", "get", 2),
        ("client.get(url).json()", "Client.get", 2),
        ("urlopen(url)", "urlopen", 2),
        ("psycopg2.connect(DATABASE)", "connect", 3),
        ("cursor.execute(query, [token])", "", 3),
        ("client.blpop(key, timeout=30)", "ListCommands.blpop", 4),
        ("store.get(key)", "Redis.execute_command", 4),
        ("open(path).read()", "", 5),
        ("path.read_text()", "Path.read_text", 5),
        ("subprocess.run([PRICE, token])", "run", 6),
        ("process.communicate()", "Popen.communicate", 6),
        ("thumbnail(token)", "thumbnail", 7),
        ("bcrypt.hashpw(password, salt)", "", 7),
        ("sorted(numbers)", "", 8),
        ("json.dumps(rows)", "dumps", 8),
        ('log.info("sold")', "Logger.info", 10),
    ],
)
def test_known_calls(code, callee, lesson):
    assert recognised(code, callee) == f" Lesson {lesson:02} shows this."


@pytest.mark.parametrize("code", ["future.result()", "shop.price(token)", "image.reopen(x)", "thread.join()"])
def test_others_are_left_alone(code):
    assert recognised(code) == ""


# Where a call stands.  Each text has one line that asks.

MIDDLEWARE = """
@app.middleware("http")
async def note(request, call_next):
    requests.get(URL)
    return await call_next(request)
"""
CALLED_BY_A_MIDDLEWARE = """
def ask(guest):
    return requests.get(URL)

@app.middleware("http")
async def note(request, call_next):
    request.state.points = await asyncio.to_thread(str) if request else ask(1)
"""
OF_PLAIN_ASGI = """
class Note:
    async def __call__(self, scope, receive, send):
        requests.get(URL)
"""
ADDED = """
class Note:
    async def dispatch(self, request, call_next):
        requests.get(URL)

app.add_middleware(Note)
"""
LOG = """
class ToTheSupplier(logging.Handler):
    def emit(self, record):
        self.tell(record)

    def tell(self, record):
        requests.get(URL)
"""
STREAM = """
async def pieces():
    yield 1
    requests.get(URL)

@app.get("/")
async def page():
    return StreamingResponse(pieces())
"""
TASK = """
async def tell(token):
    requests.get(URL)

@app.post("/")
async def order(later: BackgroundTasks):
    later.add_task(tell, 1)
"""
CACHE = """
@functools.lru_cache(maxsize=9)
def rate(token):
    return requests.get(URL)

@app.get("/")
async def rates():
    return rate(1)
"""
MODEL = """
class Price(BaseModel):
    @computed_field
    @property
    def pounds(self) -> int:
        return requests.get(URL)

@app.get("/")
def price() -> Price:
    return Price()
"""
ENDPOINT = """
@app.get("/")
async def page():
    return requests.get(URL)
"""
TWO_CALLS_BELOW = """
def ask():
    return requests.get(URL)

def price():
    return ask()

@app.get("/")
async def page():
    return price()
"""
DEPENDENCY = """
async def points():
    yield requests.get(URL)

@app.get("/")
async def page(points=Depends(points)):
    return points
"""
LIFESPAN = """
@asynccontextmanager
async def lifespan(app):
    requests.get(URL)
    yield
"""
BOTH = """
def ask():
    return requests.get(URL)

@app.middleware("http")
async def note(request, call_next):
    ask()

@app.get("/")
async def page():
    return ask()
"""
IN_A_CIRCLE = """
def ask(n):
    return requests.get(URL) and again(n)

def again(n):
    return ask(n)
"""
NOWHERE = "answer = requests.get(URL)"


def line_of(text):
    return next(number for number, line in enumerate(text.splitlines(), 1) if "requests.get" in line)


HIDDEN = [MIDDLEWARE, CALLED_BY_A_MIDDLEWARE, OF_PLAIN_ASGI, ADDED, LOG, STREAM, TASK, CACHE, MODEL]
OTHERS = [ENDPOINT, TWO_CALLS_BELOW, DEPENDENCY, LIFESPAN, BOTH, IN_A_CIRCLE, NOWHERE]


@pytest.mark.parametrize("text", HIDDEN)
def test_hidden_blockers_point_to_ten(text, tmp_path):
    """A call outside of any endpoint points to lesson 10, and to the lesson for its replacement."""
    file = tmp_path / "shop.py"
    file.write_text(text)
    said = recognised("requests.get(URL)", "get", file, line_of(text))
    assert said == " Lesson 10 shows this, and lesson 02 what to write instead."
    assert recognised("told.result()", "Future.result", file, line_of(text)) == " Lesson 10 shows this."


@pytest.mark.parametrize("text", OTHERS)
def test_call_determines_the_lesson(text, tmp_path):
    """A call in an endpoint points to the lesson on that call."""
    file = tmp_path / "shop.py"
    file.write_text(text)
    assert recognised("requests.get(URL)", "get", file, line_of(text)) == " Lesson 02 shows this."


def test_unreadable_file_still_gets_pointer(tmp_path):
    """If the file can't be parsed or read, the call alone determines the lesson."""
    file = tmp_path / "shop.py"
    assert recognised("requests.get(URL)", "", file, 4) == " Lesson 02 shows this."
    for text in ("async def (", "\0", "# coding: nonsense\n", "(" * 5000, MIDDLEWARE + "#" * SIZE_LIMIT):
        file.write_text(text)
        assert recognised("requests.get(URL)", "", file, 4) == " Lesson 02 shows this."
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.py")
        assert recognised("requests.get(URL)", "", tmp_path / "pipe.py", 4) == " Lesson 02 shows this."


def test_syntax_warnings_are_not_printed():
    """Warnings that Python has about the file aren't printed."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert in_no_endpoint(MIDDLEWARE + "text = '\\d'", line_of(MIDDLEWARE))
    assert said == []


def test_dense_call_graph_ends_quickly():
    """Sixty functions that all call each other are read in a moment."""
    names = [f"f{n}" for n in range(60)]
    calls = "; ".join(f"{name}()" for name in names)
    text = "".join(f"def {name}():\n    {calls}\n" for name in names)
    assert not in_no_endpoint(text, 2)
