"""JupyterHub for one class on one machine. Copy it, and put your own values into the first lines.

docs/teaching.md walks through it ("On JupyterHub"), and tests/classroom/test_hub.py runs a class with it.
"""

import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821, JupyterHub provides it

COURSE = Path("/srv/course")  # the clone
SETTINGS = Path("/etc/jupyter")  # the folder with nbgrader_config.py, which lies beside this file in docs/hub
INSTRUCTORS = {"teacher"}
STUDENTS = {"ada", "grace"}
ADDRESS = "http://127.0.0.1:8000"  # of this machine alone: put a web server with a certificate in front
PROXY = "/usr/local/bin/configurable-http-proxy"  # where `npm install -g configurable-http-proxy` put it

# Users are accounts of this machine, with their passwords. Another authenticator, your university's say, goes here:
# c.JupyterHub.authenticator_class = ...
c.Authenticator.allowed_users = INSTRUCTORS | STUDENTS
c.JupyterHub.bind_url = ADDRESS
c.ConfigurableHTTPProxy.command = [PROXY]

# The users' servers come from the environment that runs this file.
PROGRAMS = Path(sys.prefix) / "bin"
c.Spawner.cmd = [str(PROGRAMS / "jupyterhub-singleuser")]
c.Spawner.default_url = "/lab"
c.Spawner.notebook_dir = "~"


def settings_of(spawner):
    """Where a user's server finds its settings: students have the list of assignments, instructors all of nbgrader."""
    if spawner.user.name in INSTRUCTORS:
        return str(SETTINGS)
    ours = COURSE / "autograder" / "jupyter"
    return os.pathsep.join(map(str, (SETTINGS, ours / "class", ours)))


c.Spawner.environment = {
    "COURSE_ENVIRONMENT": "ready",  # ./course sets up nothing of its own
    "JUPYTER_CONFIG_PATH": settings_of,
    "PATH": os.pathsep.join([str(PROGRAMS), str(COURSE), os.environ.get("PATH", os.defpath)]),
}
# In a terminal: a login shell, which it would be otherwise, sets another PATH.
c.Spawner.args = ["--ServerApp.terminado_settings={'shell_command': ['bash']}"]
