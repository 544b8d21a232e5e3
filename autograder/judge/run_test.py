"""Runs pytest on a learner's test, with limits.  Started by path, in a folder that holds the test and its conftest."""

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

import pytest  # noqa: E402

sys.exit(pytest.main(["-q", "--tb=short", "-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", *sys.argv[1:]]))
