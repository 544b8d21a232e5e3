"""What runs inside the process that serves a learner's app.  Started by path, never imported."""
