"""The jail: student code runs in it, and can reach nothing but what its exercise names.

`levels` tells what this machine offers and chooses; `keeper` starts apps at a level.
"""
