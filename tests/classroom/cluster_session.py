"""A cluster on one machine, as far as one machine can be several: ``python cluster_session.py LESSON FILE...``.

Run it in a network namespace of its own.  A scheduler of Dask and the coordinator are here; each of two workers is in
a further namespace, behind a cable of its own.  The files are graded; the first worker is killed while it has a batch.
It prints {file: points} as JSON.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers import until

from autograder.benchmarks import class_grading
from autograder.classroom import worker_pool
from autograder.classroom.dask_pool import ClusterPool
from autograder.programs.procfs import descendants

SCHEDULER = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "10.77.0.1", "--port", "8786"]
WORKER = [sys.executable, "-m", "distributed.cli.dask_worker", "tcp://10.77.0.1:8786", "--nthreads", "1", "--no-nanny"]


def ip(words, room=None):
    """`ip WORDS`, in the namespace of a process if it is named."""
    there = ["nsenter", "--target", str(room), "--net"] if room else []
    subprocess.run([*there, "ip", *words.split()], check=True)


def another_room(number):
    """Run a process in a network namespace that's connected to this one: 10.77.NUMBER.2 is there, .1 is here."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    ours = os.readlink("/proc/self/ns/net")
    until(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != ours)
    ip(f"link add here{number} type veth peer name there netns {holder.pid}")
    ip(f"addr add 10.77.{number}.1/24 dev here{number}")
    ip(f"link set here{number} up")
    for words in ("link set lo up", f"addr add 10.77.{number}.2/24 dev there", "link set there up"):
        ip(words, holder.pid)
    ip(f"route add default via 10.77.{number}.1", holder.pid)
    return holder


def graders(root):
    """Return True if a process has started one of this test's grading workers."""
    return any(b"classroom.worker" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in descendants(root))


async def grade(lesson, files, victim, log):
    told = {}
    jobs = [worker_pool.Job(file, file, lesson) for file in files]
    cluster = ClusterPool("tcp://10.77.0.1:8786", "none", log, batch=2)
    task = asyncio.create_task(cluster.run(jobs, lambda job, result: told.update({job.id: result})))
    while not graders(victim.pid) and not task.done():
        await asyncio.sleep(0.05)
    victim.kill()
    await task
    return {name: result["points"] for name, result in told.items()}


def main(lesson, files):
    ip("link set lo up")
    ip("addr add 10.77.0.1/32 dev lo")
    started = []
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
        quiet["env"] = {**class_grading.environment(), "DASK_DISTRIBUTED__WORKER__DAEMON": "False"}
        try:
            started.append(subprocess.Popen([*SCHEDULER, "--no-dashboard"], **quiet))
            for number in (1, 2):
                holder = another_room(number)
                started.append(holder)
                there = ["nsenter", "--target", str(holder.pid), "--net"]
                own = ["--no-dashboard", "--local-directory", f"{folder}/w{number}"]
                started.append(subprocess.Popen([*there, *WORKER, *own], **quiet))
            print(json.dumps(asyncio.run(grade(lesson, files, started[2], Path(folder) / "log"))))
        finally:
            for process in started:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
