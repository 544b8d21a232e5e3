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
# This lesson takes about 35 minutes. You need lesson 02, *Calling HTTP*: you know why an app has one client,
# made once and awaited, and what a lifespan is. You do not need to know Redis.
#
# You will see
#
# - what `blpop` in an `async def` endpoint does to the guest who brings what it waits for;
# - the repair: one client from `redis.asyncio`, and the same race again;
# - a `get` that holds nobody up, until the server hangs;
# - what a client for each request costs;
# - traps in the repair: a pool smaller than the load, one connection on which everybody waits, a client with little patience;
# - many commands in one trip: a pipeline;
# - when not to bother.
#
# Redis is a server that keeps small things in memory: counters, sessions, queues of jobs.
# It answers so fast that many people think: here it does not matter whether I await. Mostly they are right. This lesson is about the rest.
#
# The next cell brings in the tools of the course.
# If it says `ModuleNotFoundError`, the notebook is not running in the course's own Python:
# close it and start it with `./course lab`.

# %%
from autograder import lab
# %load_ext autograder.lab

# %% [markdown]
# ## A letterbox
#
# The next cell starts a server in a process of its own, and puts its address into the environment.
# It is Valkey, which speaks the language of Redis. If there is none for your system, the cell says what you can start instead.
#
# Redis can keep **lists**. A list has a name, and it is there as soon as somebody puts something on it. We use a list as a letterbox:
#
# - `rpush` puts a letter in;
# - `llen` counts the letters;
# - `blpop` takes the oldest letter out. If there is none, it *waits* for one, for as many seconds as you say.
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
# `ours` is the notebook's own client, to look into boxes from outside. With `decode_responses=True` we get strings and not bytes.
# `blpop` returns two things: the name of the list, and what was on it.
# If it has waited in vain, it returns `None`. In the app `found and found[1]` stands for both: the letter, or `None`.
#
# ## What goes wrong
#
# A post office. `POST /take/ann` waits for a letter for Ann, as long as her `patience` lasts.
# `POST /bring/ann` writes one, which takes `writing` seconds, and puts it in. The client is the one that we have just used, from the package **redis-py**.

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


# %% [markdown]
# Ten guests come at once. Each looks into an empty box of their own, and is willing to wait for 0.3 seconds.

# %%
bad = await lab.race("/take/guest{i}?patience=0.3", n=10, method="POST", title="ten empty boxes")
print(f"The quickest guest took {bad.quickest:.2f} s, all ten took {bad.seconds:.2f} s: {bad.ratio:.1f} times as long.")

# %% [markdown]
# The staircase. The server could have kept all ten waiting at the same time. It is made for that.
#
# (A wait may last a moment longer than asked: our server checks a hundred times a second whose time is up.)
#
# ## A prediction
#
# Now Ann's box is empty, and she has two seconds of patience. Together with her comes Bob. He writes her a letter,
# which takes him 0.3 seconds, and puts it into her box. Look at the file again: Bob's writing is a sleep that is awaited.
#
# Does Ann get a letter? And after how many seconds does Bob leave?
# Write your guesses in the places of `None`, or leave them.

# %%
ann_gets = lab.predict("Ann gets", None)  # "a letter" or "no letter", in quotes
bob_leaves = lab.predict("Bob leaves after", None, "s")

# %%
ours.delete("box:ann")  # so that you can run this cell again
pair = ["/take/ann?patience=2", "/bring/ann?writing=0.3"]
late = await lab.race(pair, method="POST", title="Ann and Bob")
ann, bob = late.requests
ann_gets.beside("no letter" if "null" in ann.body else "a letter")
bob_leaves.beside(bob.end)
print(f"Ann left after {ann.end:.2f} s with {ann.body}. Bob left after {bob.end:.2f} s.")
print("Letters in Ann's box now:", ours.llen("box:ann"))

# %% [markdown]
# ## Who waited for whom
#
# The letter is there, and Ann is gone. Step by step:
#
# 1. Perhaps Bob was taken first. Then his request came to `await asyncio.sleep`, the thread was given back, and it took Ann.
#    Perhaps Ann was first. Then Bob stood before the door, and began to write when she had left. To her it makes no difference.
# 2. Ann's request came to `client.blpop`. The thread sent the command, and then stood still to read the answer.
#    The server had none: the box was empty.
# 3. Only Bob could change that. But the same thread has to run each of his lines: the first one, or the one after his sleep.
# 4. So Ann waited for Bob's letter, and Bob waited for Ann's thread. No line of this app could end that.
# 5. The *server* did, when Ann's patience was over. She left with nothing.
# 6. Now the thread was free for Bob, and his letter came into the box. Too late.
#
# Two who wait for each other are called a **deadlock**. This one ended because `blpop` had a limit.
# It is worse than a slow answer: it is a wrong one. And no test with one request at a time can show it.
#
# ## The repair: a client that can be awaited
#
# redis-py has a second client, in `redis.asyncio`. It has the same methods, and they must be awaited.
#
# You may have read about a package called **aioredis**. It has no life of its own any more: since 2022 it lives on as `redis.asyncio`.
# If a text tells you to install it, the text is old.
#
# Like every client it belongs in the lifespan: opened once, closed at the end.

# %%
# %%app post_repaired.py
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

# %% [markdown]
# Here are ten guests at ten empty boxes, beside the first race on the same scale, and after them Ann and Bob once more.

# %%
good = await lab.race("/take/guest{i}?patience=0.3", n=10, method="POST", title="ten empty boxes", show=False)
lab.side_by_side(bad, good, titles=("redis", "redis.asyncio"))
print(f"All ten took {bad.ratio:.1f} times as long as the quickest before, and {good.ratio:.1f} times now.")
print(f"The slowest canary waited {bad.worst_canary:.2f} s before, and {good.worst_canary:.2f} s now.")

ours.delete("box:ann")
in_time = await lab.race(pair, method="POST", title="Ann and Bob")
ann, bob = in_time.requests
print(f"Ann left after {ann.end:.2f} s with {ann.body}. Bob left after {bob.end:.2f} s.")

# %% [markdown]
# At `await ... .blpop(...)` the command is sent, too. Then the loop notes: *wake me when this connection has something to read*,
# and goes on to Bob. Ann leaves as soon as he has put his letter in. She does not even use up her patience.
#
# ## A quick command
#
# `blpop` is made to wait. Most commands are not: `get`, `set`, `incr` are answered at once. How long does a blocking `get` hold the loop?
# The next cell asks 500 times with each client. (A notebook has a loop, too, so we can await in it.)

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
print(f"A blocking get holds the loop for {1000 * spent_blocking / 500:.2f} ms.")
print(f"An awaited get takes {1000 * spent_awaiting / 500:.2f} ms.")

# %% [markdown]
# The first number is a wait during which nobody else is answered, the second one a wait during which everybody is.
# For one guest alone there is little to gain: a trip through the loop costs something, too.
# And a guest can hardly feel that the loop is held for so short a moment. Is it worth a repair, then?
#
# Here are both in one app. To keep the file short, its clients are made when the file is imported. That, too, is once for the whole app.

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
quick = await lab.race("/blocking", n=10)

# %% [markdown]
# Ten blocking commands, and none of them alone takes as long as the 20 milliseconds from which the lane shows a stretch.
# (If it is hatched for a moment, or a canary is late: many small things added up, or the machine was busy.)
#
# But a `get` is a question over a network. It takes as long as the answer takes, and that is not up to you.
# A server can hang: because somebody asked it for all its keys, because it is being moved to another machine, because a cable is loose.
#
# We can make ours hang. `CLIENT PAUSE` makes Redis answer nobody for a while, here for a second.
# The next cell asks for it through the notebook's own connection, and then sends five guests.
# (Do not do this to a server that others use.)

# %%
async def race_while_it_hangs(path):
    ours.client_pause(1000)  # milliseconds
    return await lab.race(path, n=5, show=False)

hung = await race_while_it_hangs("/blocking")
ours.ping()  # comes back when the pause is over
hung_awaited = await race_while_it_hangs("/awaited")
lab.side_by_side(hung, hung_awaited, titles=("get, blocking", "get, awaited"))
print(f"Blocking get: the slowest canary waited {hung.worst_canary:.2f} s.")
print(f"Awaited get:  the slowest canary waited {hung_awaited.worst_canary:.2f} s.")

# %% [markdown]
# The guests who want a greeting wait on both sides. Nobody can help them. The canary wants nothing from Redis.
# On the left it waits with them, and so does everybody at every other endpoint of the app. On the right only those who asked wait.
#
# So do not repair a quick command for its speed. Repair it for the day on which it is not quick.
#
# ## The price of a client for each request
#
# A client has a **pool** inside: a set of open connections, which it lends to its commands and takes back.
# In lesson 02 a new client for each request blocked the loop, because it loaded certificates. What does a new Redis client cost?
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
# Each new connection is set up, introduces itself, asks its one question, and is torn down.
# On this machine that is only a matter of milliseconds. Over a network each step is a trip there and back.
# And if the client is not closed, its connection stays open until Python happens to clean up.
#
# ## The trap that the repair hides: a pool smaller than the load
#
# A connection is lent for the time of one command. For a `get` that is a moment: a handful of connections serve a crowd.
# `blpop` keeps its connection for as long as it waits. Ten guests who wait need ten.
#
# What does a pool do when it has none left? There are two kinds. This app has one of each, with five connections.

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


# %% [markdown]
# Ten guests at empty boxes, first with the plain pool. In `refused.errors` the lab keeps what went wrong inside the app.

# %%
refused = await lab.race("/refusing/guest{i}?patience=0.5", n=10, method="POST", title="ten on five, refusing")
sent_away = [request for request in refused.requests if not request.ok]
print(f"Served: {len(refused.requests) - len(sent_away)}. Sent away: {len(sent_away)}.")
print("What the app met:", refused.errors[0]["type"], "-", refused.errors[0]["message"])
print("A pool that a client makes for itself has room for", ours.connection_pool.max_connections, "connections.")

# %% [markdown]
# Five guests wait as they should. The others are sent away at once. The numbers after their bars are the status, 500: *I am broken*. In a quiet hour nobody would have noticed.
# (If the lane of the loop is hatched for a moment: writing an error into the log is work, too, and it is done on the loop.)
#
# The pool that a client makes for itself is of this kind. It is larger, but it has an end.
#
# Now the other kind, the `BlockingConnectionPool`. Here *blocking* is said of whoever wants a connection,
# not of the loop. In `redis.asyncio` that wait is awaited.

# %%
queued = await lab.race("/queueing/guest{i}?patience=0.5", n=15, method="POST", title="fifteen on five, queueing")
print(f"15 guests on five connections took {queued.ratio:.1f} times as long as the quickest.")

# %% [markdown]
# Three groups of five, and every wait is awaited. Nobody is refused, unless it takes longer than the pool's `timeout`.
# It is the back-pressure of lesson 02.
#
# But look at what it means here. Nobody in the second group is listening to Redis yet. Their letters may already be in their boxes,
# and still they wait for strangers whose boxes are empty. If your endpoints wait in `blpop`, the pool must be as large as
# the number of guests who may wait at the same time.
#
# ## One connection for everybody
#
# The smallest pool has one connection. redis-py can do without a pool: `single_connection_client=True`.
# You find it in old code and where somebody wanted to save connections.

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
lined_up = await lab.race("/take/guest{i}?patience=0.3", n=5, method="POST", title="one connection")
print(f"Five guests took {lined_up.ratio:.1f} times as long as the quickest.")
print(f"The lane of the loop: {lined_up.lane}.")

# %% [markdown]
# A staircase, and nobody holds the loop. Every line is awaited, and no tool that watches the loop will complain.
# The queue stands in front of the connection: on one connection Redis answers one command after the other.
#
# A simple `get` through this client would stand in the same queue.
# So commands that wait need connections of their own. With an ordinary pool they get them.
# There are more such commands: `brpop`, `blmove`, `xread` with `block`, and listening on a channel.
#
# Here is the last of these. A **channel** is like a loudspeaker: those who are listening hear what is said, those who come later do not.
# A client's `pubsub()` takes one connection, and keeps it as long as it listens. The first thing it hears is that it is subscribed.
# After that, both endpoints listen for as long as their guest's `patience` lasts. `/hear` uses the blocking client.

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
        pubsub.get_message(timeout=5)  # that it is subscribed
        return pubsub.get_message(timeout=patience)

@app.get("/hear_awaited")
async def hear_awaited(patience: float):
    async with awaited.pubsub() as pubsub:
        await pubsub.subscribe("news")
        await pubsub.get_message(timeout=5)
        return await pubsub.get_message(timeout=patience)

# %%
import asyncio

silence = await lab.race("/hear?patience=0.3", n=5, show=False)
silence_awaited = await lab.race("/hear_awaited?patience=0.3", n=5, show=False)
lab.side_by_side(silence, silence_awaited, titles=("pubsub, blocking", "pubsub, awaited"))

listening, hearers = asyncio.create_task(lab.race("/hear_awaited?patience=5", n=5, show=False)), 0
while hearers < 5 and not listening.done():
    hearers = ours.pubsub_numsub("news")[0][1]
    await asyncio.sleep(0.01)
ours.publish("news", "The post is here.")
heard = [request for request in (await listening).requests if "The post is here." in request.body]
print(f"{hearers} guests were listening, {len(heard)} heard the news.")

# %% [markdown]
# In the first two races nobody said anything. On the left the loop was held for as long as each guest's patience lasted.
# `for message in pubsub.listen()` has no such limit: it would hold the loop until somebody says something, and that can be for ever.
# In the last race everybody who was listening heard the news.
#
# ## A client with little patience
#
# There are two limits on one wait. `blpop` tells the *server* how long to wait. `socket_timeout` tells the *client*
# how long to wait for the server. What if the client's limit is the shorter one?

# %%
import redis

async with AsyncRedis.from_url(server.url) as client:
    default = client.connection_pool.make_connection().socket_timeout
print("A client's own limit, if you set none:", default, "s")

async with AsyncRedis.from_url(server.url, socket_timeout=0.3) as impatient:
    started = time.perf_counter()
    try:
        await impatient.blpop("box:nobody", 10)
    except redis.TimeoutError as error:
        gave_up, error_name = time.perf_counter() - started, type(error).__name__
print(f"blpop was allowed 10 s. After {gave_up:.1f} s: {error_name}")

# %% [markdown]
# The client cannot tell a server that waits on purpose from one that is dead. It gives up with an error, and the guest gets a 500.
#
# A limit is a good thing: without one, a server that hangs keeps you for ever. redis-py has set one by itself only since version 8.
# Code that waits in `blpop` for half a minute has failed ever since. Choose `socket_timeout` yourself,
# and make it longer than the longest wait that you ask for.
#
# ## Many commands, one trip
#
# A free loop is not enough: you know that from lesson 02. Here is a day's work: 500 guests to be counted. First one command after the other.
# Then with a **pipeline**, which collects commands, sends them together, and reads all answers together.

# %%
async def count_one_by_one(client):
    for guest in range(500):
        await client.incr(f"visits:{guest}")

async def count_in_a_pipeline(client):
    async with client.pipeline(transaction=False) as pipeline:
        for guest in range(500):
            pipeline.incr(f"visits:{guest}")
        return await pipeline.execute()

async with AsyncRedis.from_url(server.url) as client:
    one_by_one = await seconds(count_one_by_one(client))
    in_a_pipeline = await seconds(count_in_a_pipeline(client))
    commands = (client.incr(f"visits:{guest}") for guest in range(500))
    gathered = await asyncio.gather(*commands, return_exceptions=True)
not_sent = sum(isinstance(answer, redis.MaxConnectionsError) for answer in gathered)
print(f"One after the other took {one_by_one / in_a_pipeline:.1f} times as long as the pipeline.")
print(f"With gather, {not_sent} of the 500 found no connection.")

# %% [markdown]
# The methods of a pipeline are not awaited: they only note the command down. `execute` is awaited, and returns a list of all answers.
# This machine is its own network, so a trip is short. The longer the trip, the greater the difference.
#
# `gather` is no substitute for a pipeline here: each command borrows a connection, and so 500 together need 500 of them.
# The pool refused most. (With `return_exceptions=True`, `gather` puts errors among its results and goes on.)
#
# ## Keeping the blocking client
#
# Perhaps the call sits in a package that somebody else wrote. The answer is the same as in lessons 01 and 02: a thread.
# Threads may share a client of redis-py.

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
threads = await lab.race("/take/guest{i}?patience=0.3", n=10, method="POST", title="ten threads")
print(f"All ten took {threads.ratio:.1f} times as long as the quickest.")

# %% [markdown]
# Honest, and limited: forty threads. A guest who waits in `blpop` for half a minute takes one for half a minute.
# Forty of them, and every `def` endpoint of the app stands still.
#
# ## When not to bother
#
# - **A worker.** A program that does nothing but take jobs from a list should wait in `blpop`. That is what the command is for.
# - **Scripts, and what an app does before its first guest.** Nobody else waits.
# - **A quick command to a server next door,** in an app whose guests forgive a bad minute. You have measured it above:
#   a fraction of a millisecond. First repair the commands that wait.
#
# In a new app, take `redis.asyncio` from the start. It costs one word a line.
#
# ## What you have seen
#
# - `blpop` in an `async def` stands still on the loop. Whoever brings what it waits for cannot get through: a deadlock, until a timeout ends it.
# - One client from `redis.asyncio`, opened in the lifespan and awaited, lets all guests wait side by side. It is what became of aioredis.
# - A blocking `get` holds the loop for a moment that nobody feels. When the server hangs, it holds everybody as long as the server does.
# - A client for each request opens and closes a connection for each request.
# - A plain pool that is too small refuses guests, a blocking pool makes them queue. On one connection everybody waits for everybody, and the loop is free.
#   A client with less patience than its command raises an error.
# - A pipeline sends many commands in one trip.
# - Workers, scripts, a quick command next door: leave them.
#
# ## Check yourself
#
# **1.** An endpoint waits in `await client.blpop(...)` for up to 20 seconds. The client has a `BlockingConnectionPool` with 10 connections,
# and another endpoint uses the same client for a `get`. Ten guests wait for letters. How long can the `get` take?
#
# <details><summary>Answer</summary>
#
# Up to 20 seconds, though the loop is free: all ten connections are lent, so the `get` waits until one comes back.
# (If the pool's own `timeout` is shorter, it ends in an error before.) Give the commands that wait a client of their own, or a larger pool.
#
# </details>
#
# **2.** A colleague says: *Redis answers in a fraction of a millisecond. I keep the blocking client for my `get`.* What do you answer?
#
# <details><summary>Answer</summary>
#
# On a good day that is right: nobody will feel it. On the day when the server hangs, every endpoint of the app hangs with it,
# even those that never ask Redis. With the awaited client only those that ask it hang.
#
# </details>
#
# ## Further reading
#
# - Redis, *Asynchronous operations with redis-py*: https://redis.io/docs/latest/develop/clients/redis-py/async/
# - Redis, *What is the difference between aioredis v2.0 and redis-py asyncio?*: https://redis.io/kb/doc/26366kjrif
# - Redis, *Redis pipelining*: https://redis.io/topics/pipelining/
# - Redis, *Redis Pub/Sub*: https://redis.io/topics/pubsub
# - Redis, *CLIENT PAUSE*: https://redis.io/docs/latest/commands/CLIENT-PAUSE/
# - The two limits for one wait, as users met them: https://github.com/redis/redis-py/issues/2807
#
# Next: the exercise of this lesson, in the notebook `exercise_04_redis.ipynb` beside this one. It has two endpoints,
# and you already know both mistakes.
