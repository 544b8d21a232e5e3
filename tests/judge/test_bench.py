"""The benchmark of verdicts: what it judges, what it counts, and the bound that it prints."""

import json
import os
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import pytest
from helpers import gone

from autograder import paths
from autograder.benchmarks import baselines, cpu_load, verdicts
from autograder.judge.catalogue import multi_endpoint
from autograder.judge.catalogue.catalogue import catalogue, judge, written
from autograder.judge.spec.endpoint import ExpectedDiagnosis
from autograder.judge.spec.exercise import load as load_exercise
from autograder.judge.tasks import mutation
from autograder.judge.verdict import Verdict
from autograder.programs.procfs import descendants
from autograder.sandbox import levels


def test_bound_follows_rule_of_three():
    """Without a wrong verdict the bound is three divided by the number of trials."""
    assert verdicts.bound(0, 1000) == pytest.approx(3 / 1000, rel=0.01)


def test_bound_grows_with_wrong_verdicts():
    # Clopper and Pearson's one-sided limit for 1 of 100 is 4.66 %
    assert verdicts.bound(1, 100) == pytest.approx(0.0466, abs=0.0002)
    assert verdicts.bound(10, 100) > 0.1


def test_unknown_exercise_is_reported(capsys):
    assert verdicts.main(exercises=["01_sleeping", "99_none"]) == 2
    assert "There is no exercise '99_none'" in capsys.readouterr().out


@pytest.mark.heavy
def test_each_answer_is_judged_once():
    """Each answer is judged once a round, with several workers."""
    answers = [a for a in catalogue(load_exercise(paths.SOLUTIONS / "02_calling_http")) if a.kind == "reference"]
    judged = verdicts._trials(answers, 2, float("inf"), False, 2)
    assert sorted(trial.answer.label for trial in judged) == sorted([answer.label for answer in answers] * 2)
    assert not any(trial.complaint for trial in judged if not trial.undecided)
    assert verdicts._trials(answers, 1, 0.0, False, 2) == []


@pytest.mark.heavy
@pytest.mark.linux
def test_bench_uses_the_isolation_level():
    """The benchmark judges apps in the same sandbox as a class; an unknown level is an error."""
    found = levels.at_least()
    if found.sandbox:
        found.sandbox.close()
    answers = [a for a in catalogue(load_exercise(paths.SOLUTIONS / "02_calling_http")) if a.label == "price/reference"]
    (trial,) = verdicts._trials(answers, 1, float("inf"), False, 1, found.level)
    assert trial.concurrency.passed and not trial.complaint
    with pytest.raises(BrokenProcessPool):
        verdicts._trials(answers, 1, float("inf"), False, 1, "a level that is not there")


def test_missing_isolation_is_reported(monkeypatch, capsys):
    """The benchmark refuses to run with less isolation than was requested."""
    monkeypatch.setenv("COURSE_ISOLATION_CEILING", "none")
    assert verdicts.main(exercises=["11_finding_it"], isolation="required") == 2
    assert "does not offer the isolation" in capsys.readouterr().out


def test_hogs_end_with_the_benchmark():
    before = set(descendants(os.getpid()))
    with cpu_load.hogs(2):
        hogs = set(descendants(os.getpid())) - before
        assert len(hogs) == 2
    assert all(gone(hog) for hog in hogs)


def test_impossible_quota_is_reported(monkeypatch, tmp_path, capsys):
    """A CPU quota that can't be set is reported, with what to leave out."""
    monkeypatch.setattr(cpu_load, "CGROUP_V2", tmp_path / "none")
    monkeypatch.setattr(cpu_load, "CGROUP_V1", tmp_path / "none")
    assert verdicts.main(exercises=["01_sleeping"], quota=20) == 2
    assert "Leave out --quota." in capsys.readouterr().out


def test_baseline_rules_are_as_stated():
    """The rules of other approaches accept and reject the measurements that their authors state."""
    assert all(baselines.rules(0.2, 0.21, 0.01, 0.005).values())
    assert not any(baselines.rules(0.2, 2.1, 1.9, 0.2).values())
    assert baselines.rules(0.2, 0.5, 0.06, 0.01) == {
        "wall clock": False,
        "ratio": True,
        "ping": False,
        "heartbeat": True,
    }


@pytest.mark.heavy
async def test_baselines_judge_the_same_apps():
    """The rules of other approaches are applied to the same apps that the judge sees."""
    answers = {answer.label: answer for answer in catalogue(load_exercise(paths.SOLUTIONS / "02_calling_http"))}
    honest = await judge(answers["price/reference"], baselines.baseline_verdicts)
    faulty = await judge(answers["price/starter"], baselines.baseline_verdicts)
    assert (baselines.truth(honest.answer), baselines.truth(faulty.answer)) == (True, False)
    # whom they accuse on a busy machine is what the comparison is about; who blocks for ten waits is slow anywhere
    assert set(honest.baseline_verdicts) == set(baselines.RULES)
    assert not any(faulty.baseline_verdicts[rule] for rule in ("wall clock", "ping", "heartbeat"))


# Lists of findings and tests: no app, and one verdict.

FINDINGS, TESTS = (load_exercise(paths.SOLUTIONS / name) for name in ("11_finding_it", "12_testing_for_it"))


@pytest.mark.parametrize("exercise", [FINDINGS, TESTS], ids=lambda exercise: exercise.lesson)
def test_written_catalogue_is_complete(exercise):
    """The catalogue of a written task has every file of its answers, and only the expected ones pass."""
    (task,) = exercise.written
    there = {file for file in (exercise.folder / "answers" / task.id).rglob("*") if file.is_file()}
    assert {answer.file for answer in written(exercise)} == there
    passing = [answer.kind for answer in written(exercise) if answer.wrong is None]
    assert passing == ["reference", *["accepted"] * len(task.accepted)]
    assert catalogue(exercise) == []


@pytest.mark.heavy
def test_report_counts_and_records_trials(capsys, tmp_path):
    """The report counts trials and verdicts, and each trial is recorded."""
    count = len(written(FINDINGS))
    record = tmp_path / "trials.jsonl"
    assert verdicts.main(exercises=["11_finding_it"], compare=True, workers=2, record=record) == 0
    said = capsys.readouterr().out
    kept = [json.loads(line) for line in record.read_text().splitlines()]
    assert sorted(trial["answer"] for trial in kept) == sorted(answer.label for answer in written(FINDINGS))
    assert not any(trial["complaint"] or trial["undecided"] for trial in kept)
    assert f"\n{count} trials, {count} verdicts\nwrong: 0 of {count} trials" in said
    assert "None of these answers is in the scope of the rules to compare with." in said


async def test_endpoint_has_two_verdicts():
    """An endpoint has two verdicts and a list of findings has one."""
    price = next(a for a in catalogue(load_exercise(paths.SOLUTIONS / "02_calling_http")) if a.kind == "reference")
    trials = [await judge(price), await judge(written(FINDINGS)[0])]
    assert [trial.verdicts for trial in trials] == [2, 1]
    assert verdicts._size(trials) == "2 trials, 3 verdicts"
    assert verdicts._size(trials[1:]) == "1 trial, 1 verdict"


async def test_shop_counts_its_verdicts(monkeypatch):
    """An app with many endpoints has as many verdicts as were reached."""
    shop = {answer.label: answer for answer in catalogue(load_exercise(paths.SOLUTIONS / "13_the_incident"))}

    async def judged(answer, sandbox):
        return [Verdict("pass")] * len(answer.expected), ""

    monkeypatch.setattr(multi_endpoint, "judge", judged)
    wanted = {"shop/reference": 13, "shop/starter": 13 + 12, "shop/wrong/quote_popen": 1}
    assert {label: (await judge(shop[label])).verdicts for label in wanted} == wanted


async def test_wrong_diagnosis_is_a_complaint():
    """A list with another outcome or diagnosis than the catalogue expects is a wrong verdict."""
    answers = {answer.label: answer for answer in written(FINDINGS)}
    right, wrong = answers["findings/reference"], answers["findings/wrong/one_missing"]
    assert not (await judge(right)).complaint and not (await judge(wrong)).complaint
    assert "must pass but: fail not all found" in (await judge(replace(wrong, wrong=None))).complaint
    assert "must fail but: pass" in (await judge(replace(right, wrong=wrong.wrong))).complaint
    assert "must get" in (await judge(replace(wrong, wrong=ExpectedDiagnosis("not all found", ("7 of 9",))))).complaint


@pytest.mark.heavy
async def test_bench_judges_tests_like_grading():
    """The benchmark judges a learner's test in the same way as grading does."""
    (answer,) = [answer for answer in written(TESTS) if answer.name == "does_not_parse"]
    judged = await judge(answer)
    assert (judged.complaint, judged.concurrency.kind, judged.verdicts) == ("", "does not run", 1)


SEEN, MISSED = Verdict("pass"), Verdict("fail", "misses blocking apps", "8 of 10", share=0.8)
NOTHING = Verdict("fail", "always passes", "would not notice anything")


@pytest.mark.parametrize(
    "name, honest, blocking, complaint",
    [
        ("reference", SEEN, SEEN, ""),
        ("wrong/no_canary", SEEN, MISSED, ""),
        ("wrong/always_passes", NOTHING, NOTHING, ""),
        ("wrong/no_canary", NOTHING, MISSED, "the other part must pass"),
        ("wrong/always_passes", SEEN, NOTHING, "the other part must fail"),
        ("reference", SEEN, MISSED, "must pass but"),
        ("reference", Verdict("error"), Verdict("error"), "must pass but: error"),
    ],
)
async def test_both_parts_must_be_right(name, honest, blocking, complaint, monkeypatch):
    """Both parts of a test's verdict must match what the catalogue expects."""

    async def verdict_with_retries(self, part):
        return {"honest": honest, "blocking": blocking}[part]

    monkeypatch.setattr(mutation.MutationJudge, "verdict_with_retries", verdict_with_retries)
    (answer,) = [answer for answer in written(TESTS) if answer.label == f"quotes/{name}"]
    judged = await judge(answer)
    assert complaint in judged.complaint and bool(complaint) == bool(judged.complaint)
    assert judged.undecided == (honest.outcome == "error")
