"""Scripts that run in their own process, started by path, and the modules that they share.

They import only each other, the standard library and what they serve or speak with (uvicorn, h11, pytest).
"""
