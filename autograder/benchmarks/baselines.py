"""Common tests for blocking, tried on the same apps as the judge, to show why the judge doesn't use them.

Each rule decides from races whose requests wait `LATENCY` seconds whether the endpoint passes:

* ``wall clock``: ten requests together took less than twice one wait, as in the tutorial that this course grew out of
  (ten requests of one second, ``assert duration < 2.0``);
* ``ratio``: ten requests together took at most five times as long as a single one;
* ``ping``: no canary from outside took longer than 50 ms;
* ``heartbeat``: no iteration of the app's event loop took longer than 20 ms.
"""

from autograder import services
from autograder.judge.proofs.latency_injection import Latency
from autograder.judge.verdict import DiagnosisKind
from autograder.lab.run_race import run
from autograder.programs.messages.races import RaceRequest
from autograder.programs.messages.reports import Iteration

N = 10
LATENCY = 0.2  # s
RULES = ("wall clock", "ratio", "ping", "heartbeat")
MUST_PASS = ("reference", "accepted")
MUST_FAIL = (DiagnosisKind.BLOCKED, DiagnosisKind.ONE_AT_A_TIME)  # the diagnoses that such a test is meant to find
LIMIT = 60.0  # s


def truth(answer):
    """Return True if the answer must pass such a test, False if it must fail, and None if its mistake is out of their scope."""
    if answer.kind in MUST_PASS:
        return True
    return False if answer.wrong.kind in MUST_FAIL else None


async def baseline_verdicts(app, endpoint):
    """Race against a served app and return whether it passes, by rule of `RULES`."""
    service = services.get(endpoint.service) if endpoint.service else None
    one, _ = await _race(app, endpoint, service, 1)
    ten, longest_iteration = await _race(app, endpoint, service, N)
    return rules(one.seconds, ten.seconds, ten.worst_canary, longest_iteration)


def rules(one, ten, worst_canary, longest_iteration):
    """Return whether an app passes, by rule of `RULES`.

    The arguments are seconds: of one request, of ten together, of the slowest canary, and of the longest iteration.
    """
    return {
        "wall clock": ten < 2 * LATENCY,
        "ratio": ten <= 5 * one,
        "ping": worst_canary <= 0.050,
        "heartbeat": longest_iteration <= 0.020,
    }


async def _race(app, endpoint, service, count):
    """Race ``count`` requests. Return the race and the seconds of the loop's longest iteration."""
    calls = [endpoint.call(LATENCY, service) for _ in range(count)]
    companion = None
    if service is not None:
        service.prepare([token for call in calls for token in call.tokens])
        service.hold()
        companion = Latency([service], LATENCY).hold
    longest = 0.0

    def listen(report):
        nonlocal longest
        if isinstance(report, Iteration) and report.over:
            longest = max(longest, report.end - report.start)

    requests = [RaceRequest(i, call.method, call.path) for i, call in enumerate(calls)]
    app.listeners.append(listen)
    try:
        race = await run(app, requests, title=endpoint.route, limit=LIMIT, companion=companion)
    finally:
        app.listeners.remove(listen)
        if service is not None:
            service.release()
    return race, longest
