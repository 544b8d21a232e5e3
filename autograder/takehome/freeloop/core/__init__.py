"""The watchdog: modules of their own, which programs of the course import by name from this folder."""
