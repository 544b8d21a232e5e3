# a correct endpoint that is slow fails by the clock, on every machine; so does a block that is long enough
assert clock["/awaits?wait=2.2"] == clock["/blocks?wait=0.25"] == "failed"
assert len(clock) == 9 and len(right) < 9
# what fails at once and what blocks for a short time is over before what waits for longer; that is all the clock sees
assert max(took["/broken"], took["/nowhere"]) < took["/blocks?wait=0.25"]
assert 10 * 0.1 <= took["/blocks?wait=0.1"] < took["/blocks?wait=0.25"]
assert clock["/blocks?wait=0.7"] == "failed" and reasons["/blocks?wait=0.7"].endswith("ReadTimeout")
assert took["/blocks?wait=0.7"] >= 5
assert inside >= 10 * 0.19 and outside < inside and shared > 2 * 0.05
assert all(meeting[way] == final[way] == pressed[way] == "passed" for way in CORRECT)
assert [meeting[way] for way in INCORRECT] == ["failed", "failed", "passed", "passed"]
assert [final[way] for way in INCORRECT] == ["failed"] * 4
assert short == {"short_block": "passed"}
assert len(timed) == 2
assert larger == {"threads": "passed", "in_def": "passed"}  # four fit into every pool
