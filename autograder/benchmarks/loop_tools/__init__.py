"""freeloop measured against other tools that look for what blocks an event loop: the same apps, in one run."""
