import math

assert bad.seconds >= 10 * 0.29 and bad.worst_block.code.startswith("client.blpop(")
assert good.seconds < bad.seconds and good.ratio < bad.ratio and good.worst_canary < bad.worst_canary
assert good.blocked_seconds < bad.blocked_seconds / 4
assert late.requests[0].body == '{"letter":null}' and all(request.end >= 1.9 for request in late.requests)
assert in_time.requests[0].body == '{"letter":"Dear ann"}' and in_time.requests[0].end >= 0.3
assert again.requests[0].end >= min(patience, writing) * 0.99
assert spent_blocking < 2 * spent_awaiting  # "little to gain" by awaiting
assert all(request.ok for request in quick.requests) and quick.blocked_seconds < bad.blocked_seconds / 4
assert hung.worst_block.code.startswith("blocking.get(") and hung.blocked_seconds > hung_awaited.blocked_seconds
assert hung.worst_canary > hung_awaited.worst_canary
assert connections_each >= 100 > connections_shared and each > shared
assert any(request.status == 500 for request in refused.requests) and len(sent_away) < 10
assert refused.errors[0].type == "MaxConnectionsError" and ours.connection_pool.max_connections == 100
assert AsyncRedis.from_url(server.url).connection_pool.max_connections == 100
ends = sorted(request.end for request in queued.requests)
assert ends[5] >= 2 * 0.49 and ends[10] >= 3 * 0.49 and queued.blocked_seconds < bad.blocked_seconds / 4
assert sized.seconds >= math.ceil(n / 5) * 0.49
assert sales["unprotected"][1] > 90 and sales["all_of_it"][1] == sales["only_the_stamp"][1] == 90
assert sales["all_of_it"][0] >= 10 * 0.099 and sales["all_of_it"][0] > sales["only_the_stamp"][0]
assert lined_up.seconds >= 5 * 0.29 and lined_up.blocked_seconds < bad.blocked_seconds / 4
assert silence.seconds >= 5 * 0.29 and ".get_message(" in silence.worst_block.code
assert silence_awaited.blocked_seconds < silence.blocked_seconds / 4
assert silence_awaited.worst_canary < silence.worst_canary
assert hearers == 5 == len(heard)
assert default == 5 and ended_with == "TimeoutError" and gave_up >= 0.3
assert in_a_pipeline < one_by_one and not_sent > 250
assert threads.blocked_seconds < bad.blocked_seconds / 4 and threads.seconds < bad.seconds
