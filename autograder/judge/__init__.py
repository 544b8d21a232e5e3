"""The judge: decides, from outside the learner's process, whether an endpoint keeps its event loop free.

Its modules, in the order of the argument. Each imports only from those before it:

1. `verdict`: PASS, FAIL, ERROR, and what one trial showed.
2. `spec`: what an exercise requires of an endpoint.
3. `diagnoses`: the messages for learners.
4. `evidence`: what the samples and events of a race prove. Pure functions that measure nothing themselves.
5. `proofs`: the races that can prove concurrency, and the certificates on which a FAIL rests.
6. `decide`: PASS needs a proof, FAIL needs a certificate that was confirmed, everything else is ERROR.
7. `served_app`, `judge`: serve one file and judge it.
8. `tasks`: what is handed in that isn't an app: findings and tests.
9. `catalogue`: known answers, each with the verdict that it must get.
10. `checks`: what exercise notebooks call, ``from autograder.judge import checks``.

docs/verdicts.md explains each rule, and docs/architecture.md shows the processes.
"""
