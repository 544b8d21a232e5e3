assert alone >= 0.29 and bad.seconds >= 5 * 0.29 and bad.worst_block.code == "file.read()"
assert good.seconds < bad.seconds and good.ratio < bad.ratio and good.worst_canary < bad.worst_canary
assert all(race.blocked_seconds < bad.blocked_seconds / 4 for race in (good, with_aiofiles, plain))
assert with_aiofiles.ratio < bad.ratio and plain.ratio < bad.ratio
assert mixed.seconds >= 4 * 0.29 and [r.ok for r in mixed.requests + mixed_again.requests] == 8 * [True]
ends = sorted(request.end for request in mixed.requests)
assert ends[0] >= 0.09 and mixed_again.requests[3].end < mixed_again.requests[0].end
# only read in a thread: opening still blocks; the whole job in a thread: it does not
assert "open(" in half.worst_block.code and half.worst_block.function == "half" and opened_on_loop
assert half.requests[0].ok and half.requests[0].body == whole.requests[0].body
assert half.blocked_seconds > whole.blocked_seconds and half.worst_canary > whole.worst_canary
assert left >= 0.29 and submitted < left / 2 and reading.result() == "the text of paper-1"
(copied, _), (plainly, _), (awaited, _) = uploads.values()
assert [status for _, status in uploads.values()] == 3 * [200]
assert copied > plainly and copied > awaited and copied > 0.3
assert direct < hop < hops
assert counted == whole_count == 5_000 and hop_per_line > 10 * one_hop
assert reads == math.ceil(len(line) * 5_000 / piece) + 1
assert small_pool.seconds >= 2 * 0.29 and small_pool.blocked_seconds < bad.blocked_seconds / 4
assert all(request.ok for request in small_pool.requests + large_pool.requests)
assert crowded >= 0.2 and crowded > quiet
assert (
    here.worst_block.seconds > max((b.seconds for b in there.blocked), default=0)
    and here.worst_block.function == "count"
)
assert here.requests[0].body == there.requests[0].body == '{"visitors":1400000}'
assert not folder.exists()
