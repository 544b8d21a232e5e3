# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: all
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Redis
#
# > **It happened.** GenLayer Studio's production pods were crash-looping. Every 10 seconds, a background health checker on the event loop called the synchronous Redis client and a blocking database driver.
# > That starved the service's own, awaited connection to Redis so badly that a step that needs a fraction of a second took 2.5 minutes.
# > Start-up waited for that connection, so nothing responded to Kubernetes' probes. ([genlayer-studio#1537](https://github.com/genlayerlabs/genlayer-studio/pull/1537))
#
# **About 30 minutes**, plus 15 for the sections marked "Deeper". You need lesson 02, *Calling HTTP*: what a lifespan is, and why an app
# opens one client and shares it. You don't need to know Redis.
#
# You'll see
#
# - how `blpop` in an `async def` endpoint blocks the very request that would end its wait;
# - the fix, one client from `redis.asyncio`, and the same race again;
# - a `get` that does no harm until the server hangs;
# - a pool that's smaller than the load, and a lock that's held too long;
# - how to keep the blocking client if you have to.
#
# Redis is a server that keeps small things in memory: counters, sessions, job queues. It responds so fast that many people think awaiting it makes no difference.
# Most of the time they're right. This lesson is about the rest.
#
# The next cell loads the tools of the course. If it fails with `ModuleNotFoundError`, the notebook isn't running
# in the course's own Python environment: close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## A letterbox
#
# The next cell starts a server in a process of its own and puts its address into an environment variable.
# It's Valkey, which speaks the protocol of Redis. If there is none for your system, the cell says what to start instead.
#
# Redis has **lists**. A list has a name, and it exists as soon as a client adds something to it. Here each list is a letterbox:
#
# - `rpush` puts a letter in;
# - `llen` counts the letters;
# - `blpop` takes the oldest letter out. If the list is empty, it *waits* for a letter, for as many seconds as you say.
#   Then it gives up and returns `None`. The B stands for *blocking*.

# %%
import os

from redis import Redis

from autograder import services

server = services.get("redis")
os.environ.update(server.environment)
ours = Redis.from_url(server.url, decode_responses=True)
ours.delete("box:ann")
ours.rpush("box:ann", "Dear Ann")
print("Letters in Ann's box:", ours.llen("box:ann"), "- she takes:", ours.blpop("box:ann", 0.1))
print("She looks again, and waits a moment:", ours.blpop("box:ann", 0.1))

# %% [markdown]
# `ours` is the notebook's own client. `blpop` returns the name of the list and the value, or `None` if it waited in vain;
# in the app, `found and found[1]` gives the letter or `None`.
#
# ## A request that waits for another request
#
# The app is a post office. `POST /take/ann` waits for a letter for Ann, for up to `patience` seconds.
# `POST /bring/ann` writes a letter to her, which takes `writing` seconds, and puts it into her box. The client comes from the package **redis-py**.
# Ten clients arrive at once, each with an empty box of their own and 0.3 seconds of patience.

# %%
# %%app post.py
import asyncio
import os

from fastapi import FastAPI
from redis import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


@app.post("/take/{name}")
async def take(name: str, patience: float):
    found = client.blpop(f"box:{name}", patience)
    return {"letter": found and found[1]}


@app.post("/bring/{name}")
async def bring(name: str, writing: float):
    await asyncio.sleep(writing)
    client.rpush(f"box:{name}", f"Dear {name}")
    return {"brought": True}


# %%
bad = await lab.race("/take/client{i}?patience=0.3", n=10, method="POST", title="ten empty boxes")

# %% [markdown]
# The staircase. The server could have kept all ten waiting at the same time; it's made for that.
#
# Now Ann's box is empty, and she has two seconds of patience. Bob arrives at the same moment: he writes her a letter in 0.3 seconds
# and puts it into her box. Look at the file again: Bob's writing is an awaited sleep.
#
# **Does Ann get a letter? And after how many seconds is Bob's request done?**

# %%
ann_gets = lab.predict("Ann gets", None)  # "a letter" or "no letter", in quotes
bob_leaves = lab.predict("Bob is done after", None, "s")

# %%
ours.delete("box:ann")  # so that you can run this cell again
pair = ["/take/ann?patience=2", "/bring/ann?writing=0.3"]
late = await lab.race(pair, method="POST", title="Ann and Bob")
ann, bob = late.requests
ann_gets.compare("no letter" if "null" in ann.body else "a letter")
bob_leaves.compare(bob.end)
print("Letters in Ann's box now:", ours.llen("box:ann"))
lab.diagrams.loop("client.blpop(...)", ["rpush(...)  # Bob"], blocked=True, note="Ann's request waits for the line that only this thread can run.").show()

# %% [markdown]
# The letter is there, and Ann is gone.
#
# 1. Suppose Bob's request is taken first. It reaches `await asyncio.sleep`, and the loop continues with Ann's.
#    (If Ann's is first, Bob's doesn't even start. For her it makes no difference.)
# 2. Ann's request reaches `client.blpop`. The thread sends the command and is suspended until the server responds, and the box is empty.
# 3. Only Bob's request can change that, but its next line has to run on the very thread that's waiting for his letter.
# 4. So Ann waits for Bob's letter, Bob waits for the thread that Ann's request holds, and nothing in this app can end that.
#    The *server* does, when Ann's patience runs out: her request returns with nothing, the thread is free, and Bob's letter goes into the box. Too late.
#
# When two tasks wait for each other, so that neither can go on, that's a **deadlock**. This one ended because `blpop` had a timeout.
# It's worse than a slow response: it's a wrong one. And no test that sends one request at a time can find it.
#
# ## The fix: a client that you can await
#
# redis-py contains a second client, in `redis.asyncio`, with the same methods. They have to be awaited.
# Like every client, it's opened once in the lifespan and closed at the end. (The older package **aioredis** has been part of redis-py, as `redis.asyncio`, since 2022.
# A text that tells you to install it is out of date.)

# %%
# %%app post_fixed.py
import asyncio
import os
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from redis.asyncio import Redis

@asynccontextmanager
async def lifespan(app):
    async with Redis.from_url(os.environ["REDIS_URL"], decode_responses=True) as client:
        app.state.client = client
        yield

app = FastAPI(lifespan=lifespan)

@app.post("/take/{name}")
async def take(name: str, patience: float, request: Request):
    found = await request.app.state.client.blpop(f"box:{name}", patience)
    return {"letter": found and found[1]}

@app.post("/bring/{name}")
async def bring(name: str, writing: float, request: Request):
    await asyncio.sleep(writing)
    await request.app.state.client.rpush(f"box:{name}", f"Dear {name}")
    return {"brought": True}

# %%
good = await lab.race("/take/client{i}?patience=0.3", n=10, method="POST", title="ten empty boxes", show=False)
lab.side_by_side(bad, good, titles=("redis", "redis.asyncio"))

ours.delete("box:ann")
in_time = await lab.race(pair, method="POST", show=False)
ann, bob = in_time.requests
print(f"Ann is done after {ann.end:.2f} s with {ann.body}, Bob after {bob.end:.2f} s.")

# %% [markdown]
# At `await client.blpop(...)` the command is sent, and the loop serves Bob while that connection has no data.
# Ann's request ends as soon as he has put his letter in. It doesn't even use up her patience.
#
# ### Your turn: patience
#
# The fixed app is being served. Change Ann's patience and Bob's writing time, and predict when Ann's request is done, and with what.

# %%
patience, writing = 0.5, 1.0  # change me
ann_done = lab.predict("Ann is done after", None, "s")
ours.delete("box:ann")
again = await lab.race([f"/take/ann?patience={patience}", f"/bring/ann?writing={writing}"], method="POST", show=False)
ann_done.compare(again.requests[0].end)
print("Ann got", again.requests[0].body)

# %% [markdown]
# <details><summary>The rule</summary>
#
# She waits for `min(patience, writing)` seconds, and gets the letter if it's written in time. Now her patience decides, and not the order in which the app takes the requests.
#
# </details>
#
# ## A fast command
#
# `blpop` is made to wait. Most commands aren't: the server replies to `get`, `set` and `incr` at once. The next cell sends 500 of them with each client.

# %%
import time

from redis.asyncio import Redis as AsyncRedis

async def seconds(work):
    started = time.perf_counter()
    await work
    return time.perf_counter() - started

async def blocking_gets(n):
    for _ in range(n):
        ours.get("greeting")

async def awaited_gets(n, client):
    for _ in range(n):
        await client.get("greeting")

ours.set("greeting", "Good morning")
async with AsyncRedis.from_url(server.url) as client:
    spent_blocking = await seconds(blocking_gets(500))
    spent_awaiting = await seconds(awaited_gets(500, client))
print(f"A blocking get blocks the loop for {1000 * spent_blocking / 500:.2f} ms. An awaited get takes {1000 * spent_awaiting / 500:.2f} ms.")

# %% [markdown]
# For a single client there's little to gain, because switching through the loop costs time, too. So is it worth fixing?
#
# A `get` is a request over a network, and how long it takes isn't up to you. A server can hang: because a client asked it for all its keys,
# because it's being moved to another machine, because a cable is loose. Ours hangs on request: `CLIENT PAUSE` makes Redis
# respond to no client for a while, here for a second. (Don't try this on a server that others use.)
# The app below sends a `get` with each of the two clients.

# %%
# %%app greeting.py
import os

from fastapi import FastAPI
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

app = FastAPI()
blocking = Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
awaited = AsyncRedis.from_url(os.environ["REDIS_URL"], decode_responses=True)


@app.get("/blocking")
async def blocking_get():
    return blocking.get("greeting")


@app.get("/awaited")
async def awaited_get():
    return await awaited.get("greeting")


# %%
async def race_while_it_hangs(path):
    ours.client_pause(1000)  # milliseconds
    return await lab.race(path, n=5, show=False)

quick = await lab.race("/blocking", n=10, show=False)
hung = await race_while_it_hangs("/blocking")
ours.ping()  # returns when the pause is over
hung_awaited = await race_while_it_hangs("/awaited")
lab.side_by_side(hung, hung_awaited, titles=("get, blocking", "get, awaited"))
print(f"Loop blocked by ten blocking gets on a good day: {quick.blocked_seconds:.2f} s; by five during the pause: {hung.blocked_seconds:.2f} s.")

# %% [markdown]
# The clients that want a greeting wait on both sides; nothing can help them. But the canary doesn't use Redis.
# On the left it still has to wait, and so does every request to every other endpoint. On the right only the requests that use Redis wait.
#
# So don't fix a fast command for its speed. Fix it for the day when it isn't fast.
#
# ## The trap in the fix: a pool smaller than the load
#
# A client contains a **connection pool**, which lends a connection for the duration of one command. For a `get` that's a moment, so a handful of
# connections serve many clients. A `blpop` keeps its connection for as long as it waits, so ten waiting clients need ten.
#
# There are two kinds of pool, and they differ in what happens when no connection is left. This app has one of each, with five connections.

# %%
# %%app post_small.py
import os

from fastapi import FastAPI
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis

app = FastAPI()
five = {"url": os.environ["REDIS_URL"], "max_connections": 5}
refusing = Redis(connection_pool=ConnectionPool.from_url(**five))
queueing = Redis(connection_pool=BlockingConnectionPool.from_url(**five, timeout=20))


@app.post("/refusing/{name}")
async def refuse(name: str, patience: float):
    return await refusing.blpop(f"box:{name}", patience)


@app.post("/queueing/{name}")
async def queue(name: str, patience: float):
    return await queueing.blpop(f"box:{name}", patience)


# %%
refused = await lab.race("/refusing/client{i}?patience=0.5", n=10, method="POST", title="refusing", show=False)
queued = await lab.race("/queueing/client{i}?patience=0.5", n=15, method="POST", title="queueing", show=False)
lab.side_by_side(refused, queued, titles=("ten on five, plain pool", "fifteen on five, blocking pool"))
sent_away = [request for request in refused.requests if not request.ok]
print("The plain pool raised", refused.errors[0].type, "-", refused.errors[0].message)
print("A pool that a client creates for itself has room for", ours.connection_pool.max_connections, "connections.")

# %% [markdown]
# The plain `ConnectionPool` raises an error at once, and the client gets status 500. On a quiet day you wouldn't have noticed.
# The pool that a client creates for itself is of this kind: it's larger, but it has a limit, too.
#
# The `BlockingConnectionPool` makes requests wait for a connection, and in `redis.asyncio` that wait is awaited. ("Blocking" refers to the request, not to the loop.)
# On the right are three groups of five, and no request is refused unless it waits longer than the pool's `timeout`. This is **back-pressure**, as in lesson 02: callers are slowed down instead of refused.
#
# But look at what that means here. The requests in the second group haven't even sent their `blpop` yet. Their letters may already be in their boxes,
# and they still wait for other clients whose boxes are empty. If your endpoints wait in `blpop`, the pool must be as large as
# the number of requests that may wait at the same time.
#
# ### Your turn: size the pool
#
# Change `n`, predict the total with the blocking pool, and run the cell. Then change `max_connections` in the file above and race again.

# %%
n = 7  # change me
total = lab.predict(f"{n} empty boxes, 0.5 s of patience, five connections", None, "s")
sized = await lab.race("/queueing/client{i}?patience=0.5", n=n, method="POST", show=False)
total.compare(sized.seconds)

# %% [markdown]
# <details><summary>The rule</summary>
#
# `ceil(n / max_connections)` rounds of `patience` seconds, as long as every box stays empty.
#
# </details>
#
# ## The other trap: a lock that's held too long
#
# The post office also sells stamps, and it has a hundred. Each of ten requests reads the number, subtracts one and writes it back. Between the reading and the writing
# it awaits, so other requests run. An `asyncio.Lock` lets one task at a time into its block.
#
# The next cell has three ways to sell a stamp: without a lock, and with one in two places. After the stamp, each request has something else to wait for, here for 0.1 seconds.
# **Which of the three are right, and how long do ten sales take with each?**

# %%
import asyncio

async def take_stamp(client):
    left = int(await client.get("stamps"))
    await client.set("stamps", left - 1)

async def unprotected(client, lock):
    await take_stamp(client)
    await asyncio.sleep(0.1)

async def all_of_it(client, lock):
    async with lock:
        await take_stamp(client)
        await asyncio.sleep(0.1)

async def only_the_stamp(client, lock):
    async with lock:
        await take_stamp(client)
    await asyncio.sleep(0.1)

# %%
sales = {}
async with AsyncRedis.from_url(server.url) as client:
    for way in (unprotected, all_of_it, only_the_stamp):
        await client.set("stamps", 100)
        lock = asyncio.Lock()
        took = await seconds(asyncio.gather(*(way(client, lock) for _ in range(10))))
        sales[way.__name__] = took, int(await client.get("stamps"))
for way, (took, left) in sales.items():
    print(f"{way:14} {took:.2f} s, {left} stamps left")

# %% [markdown]
# Without the lock, sales are lost: several requests read the same number. Both locks prevent that. But a task keeps a lock until it leaves the block, so whatever it
# awaits in there, all the others wait for as well. That's why the second way takes about ten times as long as the third, on a loop that's free.
#
# Two questions decide whether you need a lock, and around what:
#
# - **Is there an `await` between reading and writing?** If not, nothing else can run on the loop in between, so `sold += 1` in a coroutine needs no lock.
#   (Threads can be interrupted anywhere. In a `def` endpoint that line does need one, from `threading`.)
# - **What belongs together?** Only that goes into the block. A wait for another service rarely does.
#
# A lock knows only the tasks of its own process, and a deployed app has several processes. So Redis has commands that read and write in one step, such as `DECR`.
#
# ## Keeping the blocking client
#
# Perhaps the call is in a package that you can't change. Then use a thread, as in lessons 01 and 02.
# The clients of redis-py are **thread-safe**: several threads may use one at the same time, because each command borrows its own connection.

# %%
# %%app post_threads.py
import os

from fastapi import FastAPI
from redis import Redis

app = FastAPI()
client = Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


@app.post("/take/{name}")
def take(name: str, patience: float):
    found = client.blpop(f"box:{name}", patience)
    return {"letter": found and found[1]}


# %%
threads = await lab.race("/take/client{i}?patience=0.3", n=10, method="POST", title="ten threads")

# %% [markdown]
# It's correct, and limited to 40 threads. A request that waits in `blpop` for half a minute occupies one for half a minute.
# With 40 of them, every other `def` endpoint of the app waits, too.
#
# ## When not to bother
#
# - **A worker.** A program that does nothing but take jobs from a list should wait in `blpop`. That's what the command is for.
# - **Scripts.** No other request waits for them.
# - **A fast command to a server in the same network,** in an app whose users forgive a bad minute. Fix the commands that wait first.
#
# In a new app, use `redis.asyncio` from the start. It costs one keyword per call.
#
# The core of the lesson ends here; the sections marked *Deeper* are optional.
#
# ## Deeper: a client for every request
#
# In lesson 02, a new client for every request blocked the loop, because it built a TLS context. What does a new Redis client cost?
# The server counts the connections that it accepts.

# %%
async def a_client_each(n):
    for _ in range(n):
        async with AsyncRedis.from_url(server.url) as client:
            await client.get("greeting")

def accepted():
    return ours.info("stats")["total_connections_received"]

before = accepted()
each = await seconds(a_client_each(100))
connections_each = accepted() - before
async with AsyncRedis.from_url(server.url) as client:
    shared = await seconds(awaited_gets(100, client))
connections_shared = accepted() - before - connections_each
print(f"A client for each of 100 gets: {connections_each} connections. One client: {connections_shared}.")
print(f"A client each took {each / shared:.1f} times as long.")

# %% [markdown]
# Every new connection is established, introduces itself, sends one command, and is closed. Over a network each of these steps is a round trip.
# And if you don't close the client, its connection stays open until Python happens to clean up.
#
# ## Deeper: one connection for all
#
# redis-py can do without a pool: `single_connection_client=True`. You find it in old code, and where a developer wanted to save connections.

# %%
# %%app post_single.py
import os

from fastapi import FastAPI
from redis.asyncio import Redis

app = FastAPI()
single = Redis.from_url(os.environ["REDIS_URL"], single_connection_client=True)


@app.post("/take/{name}")
async def take(name: str, patience: float):
    return await single.blpop(f"box:{name}", patience)


# %%
lined_up = await lab.race("/take/client{i}?patience=0.3", n=5, method="POST", title="one connection")

# %% [markdown]
# It's a staircase, and the loop is idle. Every call is awaited, so no tool that watches the loop complains. The queue is in front of the connection,
# because Redis handles the commands of one connection one after the other, and a simple `get` through this client would wait in the same queue.
# Commands that wait need connections of their own: `blpop`, `brpop`, `blmove`, `xread` with `block`, and pub/sub.
#
# ## Deeper: pub/sub
#
# A **channel** works like a loudspeaker: clients that are subscribed hear what's published, later ones don't. A client's `pubsub()` takes a connection
# and keeps it as long as it listens. (The first message only confirms the subscription.)

# %%
# %%app news.py
import os

from fastapi import FastAPI
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

app = FastAPI()
blocking = Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
awaited = AsyncRedis.from_url(os.environ["REDIS_URL"], decode_responses=True)

@app.get("/hear")
async def hear(patience: float):
    with blocking.pubsub() as pubsub:
        pubsub.subscribe("news")
        pubsub.get_message(timeout=5)  # confirms the subscription
        return pubsub.get_message(timeout=patience)

@app.get("/hear_awaited")
async def hear_awaited(patience: float):
    async with awaited.pubsub() as pubsub:
        await pubsub.subscribe("news")
        await pubsub.get_message(timeout=5)
        return await pubsub.get_message(timeout=patience)

# %%
silence = await lab.race("/hear?patience=0.3", n=5, show=False)
silence_awaited = await lab.race("/hear_awaited?patience=0.3", n=5, show=False)
lab.side_by_side(silence, silence_awaited, titles=("pubsub, blocking", "pubsub, awaited"))

listening, hearers = asyncio.create_task(lab.race("/hear_awaited?patience=5", n=5, show=False)), 0
while hearers < 5 and not listening.done():
    hearers = ours.pubsub_numsub("news")[0][1]
    await asyncio.sleep(0.01)
ours.publish("news", "The post is here.")
heard = [request for request in (await listening).requests if "The post is here." in request.body]
print(f"{hearers} clients were subscribed, {len(heard)} heard the news.")

# %% [markdown]
# Nothing was published during the two races. On the left, each request blocked the loop until its patience ran out.
# `for message in pubsub.listen()`, often found in WebSocket endpoints, has no such limit: it blocks the loop until the next message, and that may never come.
# Write `async for message in pubsub.listen()`, with the awaited client.
#
# ## Deeper: two timeouts for one wait
#
# `blpop`'s timeout tells the *server* how long to wait. `socket_timeout` tells the *client* how long to wait for the server.
#
# ### Your turn: which one wins?
#
# Change the two numbers, and predict after how many seconds the cell is done. (Nothing ever arrives in this box.)

# %%
import redis

socket_timeout, allowed = 0.3, 10  # change me
gives_up = lab.predict("the wait ends after", None, "s")

async def outcome():
    async with AsyncRedis.from_url(server.url, socket_timeout=socket_timeout) as client:
        try:
            return await client.blpop("box:empty", allowed)
        except redis.TimeoutError as error:
            return type(error).__name__

started = time.perf_counter()
ended_with = await outcome()
gave_up = time.perf_counter() - started
gives_up.compare(gave_up)
default = AsyncRedis.from_url(server.url).connection_pool.make_connection().socket_timeout
print(f"It ended with {ended_with}. A client's socket_timeout, if you set none: {default} s")

# %% [markdown]
# <details><summary>Which one wins</summary>
#
# The shorter one, and it matters which that is. When `blpop`'s timeout is over, you get `None`. When `socket_timeout` is over, you get an error: the client can't distinguish
# a server that waits on purpose from a dead one.
#
# </details>
#
# redis-py has a default `socket_timeout` only since version 8, and code that waits longer in `blpop` has failed ever since
# ([taskiq-redis#127](https://github.com/taskiq-python/taskiq-redis/issues/127) is one of many reports). Don't remove the timeout: without one, a server that hangs keeps your request forever.
# Set it yourself, longer than the longest wait that you ask for.
#
# ## Deeper: many commands in one round trip
#
# A free loop isn't enough, as in lesson 02. Here are 500 counters to increment: one command after another, then in a **pipeline**,
# which collects commands, sends them together, and reads all the replies together. Then with `gather`.

# %%
async def count_one_by_one(client):
    for number in range(500):
        await client.incr(f"visits:{number}")

async def count_in_a_pipeline(client):
    async with client.pipeline(transaction=False) as pipeline:
        for number in range(500):
            pipeline.incr(f"visits:{number}")
        return await pipeline.execute()

async with AsyncRedis.from_url(server.url) as client:
    one_by_one = await seconds(count_one_by_one(client))
    in_a_pipeline = await seconds(count_in_a_pipeline(client))
    commands = (client.incr(f"visits:{number}") for number in range(500))
    gathered = await asyncio.gather(*commands, return_exceptions=True)
not_sent = sum(isinstance(reply, redis.MaxConnectionsError) for reply in gathered)
print(f"One after another took {one_by_one / in_a_pipeline:.1f} times as long as the pipeline.")
print(f"With gather, {not_sent} of the 500 found no connection.")

# %% [markdown]
# A pipeline's methods aren't awaited, they only record the command. `execute` is awaited and returns a list of replies.
# Here, client and server share a machine, so a round trip is short; the longer it is, the larger the difference.
#
# `gather` is no substitute: each command borrows a connection, so 500 at once need 500 of them, and the pool refused most.
# (With `return_exceptions=True`, `gather` returns errors among its results instead of raising the first one.)
#
# ## What you have seen
#
# - `blpop` in an `async def` blocks the loop, so the request that would end its wait can't run: a deadlock, until a timeout ends it.
# - One client from `redis.asyncio`, opened in the lifespan and awaited, lets all requests wait concurrently.
# - A blocking `get` blocks the loop for a moment that no client notices. When the server hangs, it blocks every request for as long.
# - `blpop` keeps a connection while it waits. A plain pool that's too small raises errors, a blocking pool makes requests queue.
# - A lock makes every request wait for what one awaits while it holds the lock. Without an `await` between reading and writing, there's nothing to protect.
# - The blocking client may stay in a `def` endpoint, 40 waits at a time.
#
# ## Check yourself
#
# **1.** An endpoint waits in `await client.blpop(...)` for up to 20 seconds. The client has a `BlockingConnectionPool` with 10 connections,
# and another endpoint uses the same client for a `get`. Ten requests wait for letters. How long can the `get` take?
#
# <details><summary>Answer</summary>
#
# Up to 20 seconds, although the loop is free: all ten connections are in use, so the `get` waits until one is given back.
# (If the pool's own `timeout` is shorter, it ends in an error earlier.) Give the commands that wait a client of their own, or a larger pool.
#
# </details>
#
# **2.** A colleague says: "Redis takes a fraction of a millisecond. I'll keep the blocking client for my `get`." What do you reply?
#
# <details><summary>Answer</summary>
#
# On a good day that's right. On the day when the server hangs, every endpoint of the app hangs with it,
# even those that never use Redis, and the health probe first of all. With the awaited client only those that use Redis hang.
#
# </details>
#
# ## Words of this lesson
#
# - **command**: one request to Redis, such as `GET` or `BLPOP`. Commands that wait keep their connection.
# - **deadlock**: two tasks that wait for each other, so neither can go on.
# - **connection pool**: a set of open connections that commands borrow and give back. A *plain* pool raises an error when it's empty, a *blocking* pool waits.
# - **lock**: lets one task at a time into a block of code. A task holds it until it leaves the block, also while it awaits something there.
# - **thread-safe**: correct even when several threads use it at the same time.
# - **pub/sub**: publish and subscribe; messages reach the clients that are subscribed to a channel at that moment.
# - **pipeline**: many commands sent together, with all replies read together.
# - **round trip**: a request on its way to the server, and the reply on its way back. It takes time even if the server has nothing to do.
# - **socket timeout**: the longest that a client waits for data from a connection.
#
# ## Further reading
#
# - Redis, *Asynchronous operations with redis-py*: https://redis.io/docs/latest/develop/clients/redis-py/async/
# - Redis, *What is the difference between aioredis v2.0 and redis-py asyncio?*: https://redis.io/kb/doc/26366kjrif
# - Redis, *Redis pipelining*: https://redis.io/topics/pipelining/
# - Redis, *Redis Pub/Sub*: https://redis.io/topics/pubsub
# - Redis, *CLIENT PAUSE*: https://redis.io/docs/latest/commands/CLIENT-PAUSE/
# - Two timeouts for one wait, reported by users: https://github.com/redis/redis-py/issues/2807
#
# Next: the exercise of this lesson, in the notebook `exercise_04_redis.ipynb`. It has three endpoints with mistakes that you've just seen.
