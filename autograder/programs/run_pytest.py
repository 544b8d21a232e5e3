"""Runs pytest on a learner's test, with limits.  Started by path, in a folder that holds the test and its conftest.

Behind a wall there is no network.  Then the folder holds a socket for the app and one for the supplier, and each gets a
port of its own here, because a test speaks to addresses.
"""

import os
import sys

LIMITS = {"RLIMIT_CPU": 120, "RLIMIT_FSIZE": 64 << 20, "RLIMIT_AS": 4 << 30, "RLIMIT_CORE": 0}

try:
    import resource
except ImportError:  # Windows
    pass
else:
    for name, most in LIMITS.items():
        hard = resource.getrlimit(getattr(resource, name))[1]
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(getattr(resource, name), (limit, limit))

here = os.path.dirname(os.path.abspath(__file__))
for name in ("APP", "SUPPLIER"):
    door = name.lower() + ".socket"
    if os.path.exists(door):
        sys.path.insert(0, here)
        from port_forward import PortForward

        sys.path.remove(here)
        address = f"http://127.0.0.1:{PortForward(0, os.path.abspath(door)).port}"
        os.environ[name + "_URL"] = address + os.environ[name + "_URL"]

import pytest  # noqa: E402

sys.exit(pytest.main(["-q", "--tb=short", "-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", *sys.argv[1:]]))
