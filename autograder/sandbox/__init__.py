"""The sandbox: student code runs in it, and can reach nothing but what its exercise names.

`levels` finds out what this machine offers and chooses; `launcher` starts apps and learners' tests at a level;
`bubblewrap` builds the command lines.
"""
