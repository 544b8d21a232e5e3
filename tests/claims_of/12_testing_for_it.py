# an honest endpoint that is slow fails by the clock, on every machine; so does a block that is long enough
assert clock["/awaits?wait=2.2"] == clock["/blocks?wait=0.25"] == "failed"
assert len(clock) == 7 and len(right) < 7
assert inside >= 10 * 0.19 and outside < inside
assert all(meeting[way] == final[way] == pressed[way] == "passed" for way in HONEST)
assert [meeting[way] for way in OTHERS] == ["failed", "failed", "passed", "passed"]
assert [final[way] for way in OTHERS] == ["failed"] * 4
assert short == {"short_block": "passed"}
assert len(timed) == 2
