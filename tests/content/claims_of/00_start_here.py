import subprocess
import sys

assert one.requests[0].body == '{"cup":1}' and one_hasty.requests[0].ok
assert sick.seconds >= 10 * 0.2 > healthy.quickest
assert healthy.seconds < sick.seconds and healthy.ratio < sick.ratio
assert sick.worst_block.code == "time.sleep(seconds)" and sick.worst_block.function == "steep"
assert sick.blocked_seconds >= 9 * 0.2 and healthy.blocked_seconds < sick.blocked_seconds / 4
assert sick.worst_canary >= 0.2 and sick.worst_canary > healthy.worst_canary
assert late_canaries(sick).split()[0] != "0"
assert sick.loop_lag >= 200
assert queue.seconds >= n * 0.2
assert mine.seconds >= 10 * 0.2 and mine.blocked_seconds >= 9 * 0.2  # the starter of "Your turn: fix it"
assert all(request.ok for request in same_url.requests) and same_url.ratio < sick.ratio
assert len(blocking) <= 1 < 2 <= len(polite)
assert three_cups >= 3 * 0.2
assert nested.requests[0].status == 500 and "asyncio.run() cannot be called" in nested.errors[0].message

# in a patched process the same endpoint seems to work
ASK = """
import asyncio, sys
import httpx, nested_tea

async def status():
    to_app = httpx.ASGITransport(nested_tea.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=to_app, base_url="http://app") as client:
        return (await client.get("/tea/1")).status_code

if "patched" in sys.argv:
    __import__("nest_asyncio2" if sys.version_info >= (3, 14) else "nest_asyncio").apply()
print(asyncio.run(status()))
"""
plain, patched = (
    subprocess.run([sys.executable, "-c", ASK, *words], capture_output=True, text=True).stdout.strip()
    for words in ([], ["patched"])
)
assert (plain, patched) == ("500", "200")
