"""The sandbox: learners' code runs in it, and can only reach what its exercise names.

`levels` finds out which levels of isolation work on this machine, and chooses one; `launcher` starts apps and learners' tests at a level;
`bubblewrap` builds the command lines.
"""
