"""The comparison with other tools: what counts as found, and that each tool is really there when its apps are served."""

import pytest

from autograder import paths
from autograder.benchmarks import monitors
from autograder.benchmarks.monitors import AUDIT, MonitoredApp, Score
from autograder.errors import UserFacingError

BLOCKING, FREE = monitors.apps()


def named(name):
    return next(app for app in [*BLOCKING, *FREE] if app.name == name)


def test_apps_have_known_lines():
    """Each app that blocks has a line that's known to block, and the others have none."""
    assert len(BLOCKING) >= 16 and len(FREE) >= 10
    assert all(app.lines for app in BLOCKING) and not any(app.lines for app in FREE)
    hidden = {file.stem for file in (paths.SOLUTIONS / "12_testing_for_it/hidden/blocking").glob("*.py")}
    assert hidden - {app.name for app in BLOCKING} == {"one_at_a_time", "three_at_a_time", "mixed_up"}, (
        "these wait for each other, and their loops are free"
    )


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ('  File "/srv/shop.py", line 7, in work', True),
        ("GET /work blocked the event loop for 605 ms at /srv/shop.py:7: time.sleep(1)", True),
        ("('/srv/shop.py', 7, 'work')", True),
        ('  File "/srv/shop.py", line 70, in work', False),
        ('  File "/srv/other.py", line 7, in work', False),
        ("the loop was 800 ms late", False),
    ],
)
def test_right_line_needs_its_number(tmp_path, text, right):
    """A report has the right line if it names the file and the number."""
    app = MonitoredApp(tmp_path / "shop.py", "/work", frozenset({7}))
    assert monitors.names_line(["something else", text], app) is right


def test_profile_counts_the_main_thread(tmp_path):
    """A line's share is that of the main thread's samples in which it's the innermost line of the app."""
    stacks = (
        "MainThread;run (uvicorn/server.py:60);work (shop.py:5);helper (shop.py:7);sleep (time.py:1) 30\n"
        "MainThread;run (uvicorn/server.py:60);select (selectors.py:468) 70\n"
        "thread (2): pool;work (shop.py:9) 50\n"
    )
    assert monitors.profile_lines(stacks, tmp_path / "shop.py") == {"shop.py:7": 0.3}


def test_table_has_both_situations():
    scores = {("heartbeat", count): Score(["a"] * (3 - bool(count)), [], [], ["b"] * bool(count)) for count in (0, 16)}
    *_, row = monitors.table(["heartbeat"], 16, scores, {"heartbeat": 1.234})
    assert row == "| heartbeat | 3 / 2 | 0 / 0 | 0 / 1 | 1.23 |"


def test_mistakes_are_listed():
    """What a tool missed and whom it accused has names, and a tool without mistakes has no line."""
    scores = {
        ("heartbeat", 0): Score(missed=["lock"]),
        ("heartbeat", 16): Score(false_alarms=["awaits", "slow"]),
        ("py-spy", 0): Score(found=["lock"]),
    }
    assert list(monitors.what_went_wrong(["heartbeat", "py-spy"], scores)) == [
        "- **heartbeat** missed `lock` (idle); accused `awaits`, `slow` (beside 16)"
    ]


def test_table_goes_between_marks(tmp_path):
    """The table replaces what is between the marks of a page. A page without marks is refused before anything is measured."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{monitors.MARKS[0]}\nold\n{monitors.MARKS[1]}\nafter\n")
    monitors.record(page, "new")
    assert page.read_text() == f"before\n{monitors.MARKS[0]}\n\nnew\n\n{monitors.MARKS[1]}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(UserFacingError, match="needs the two lines"):
        monitors.main(0, page=page)


@pytest.mark.long
@pytest.mark.parametrize(
    ("tool", "line"),
    [
        ("debug mode", False),
        ("heartbeat", False),
        ("blockbuster", True),
        ("pyleak", True),
        ("freeloop monitor", True),
        (AUDIT, True),
    ],
)
def test_tool_finds_a_plain_block(tool, line):
    """Each tool finds a requests.get on the loop, and those that name lines name it. None accuses an app that only awaits."""
    assert monitors.available(tool)
    with monitors.upstream() as address:
        said = monitors.reports(tool, named("in_the_endpoint"), address)
        assert said and monitors.names_line(said, named("in_the_endpoint")) is line, said
        if tool == "blockbuster":  # it has no threshold, so it can't be late
            assert not monitors.reports(tool, named("awaits"), address)
