"""The watchdog: standalone modules, which scripts of the course also import by name from this folder."""
