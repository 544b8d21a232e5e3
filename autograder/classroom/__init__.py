"""The classroom: builds notebooks, reads submissions, grades them, and works with nbgrader."""
