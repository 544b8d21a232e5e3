assert [blocker.function for blocker in incident.blockers][:2] == ["price_of", "report"]
assert alone["/report"] >= 0.15 and alone["/prices/rose"] >= 0.06 and incident.blockers[0].times > 3
assert (
    sum(wait > 0.1 for wait in sent) / len(sent)
    < 0.05
    < 0.4
    < sum(wait > 0.1 for wait in would_have_come) / len(would_have_come)
)
assert 10 * max(spans) < longest.seconds
assert incident.alerts[0] > 0 and easy.alerts[0] > 0
assert easy.blockers[0].function == "price_of" and "thanks" not in [blocker.function for blocker in easy.blockers]
assert first.blockers[0].function == "report" and first.blocked_seconds < incident.blocked_seconds
assert "report" not in [blocker.function for blocker in second.blockers]
assert second.blocked_seconds < incident.blocked_seconds / 4
assert second.percentiles()[50] < incident.percentiles()[50]
# of four that ask two processes, two meet in one of them, whoever takes which
assert len(waits) == 4 and waits[-1] >= 2 * 0.15 and all(report.result().status_code == 200 for report in reports)
assert all(load.latencies("/cards") for load in (incident, easy, first, second))
# the calculation of the folded answer: per round of twelve
assert traffic.count("/prices/{i}") == 5 and traffic.count("/report") == traffic.count("/thanks") == 1
