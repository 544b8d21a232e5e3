"""A diagnosis sends the learner to the lesson that shows it, and to none where the call is not known."""

import pytest

from autograder.judge.pointers import recognised


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
    ],
)
def test_known_calls(code, callee, lesson):
    assert recognised(code, callee) == f" Lesson {lesson:02} shows this."


@pytest.mark.parametrize("code", ["future.result()", "shop.price(token)", "image.reopen(x)", "thread.join()"])
def test_others_are_left_alone(code):
    assert recognised(code) == ""
