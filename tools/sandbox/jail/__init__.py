"""What runs on the other side: the zygote, each call's warden, and the jail that the call is locked into.

Standard library and ctypes only, relative imports only: a bare `python -I -S` loads this package by itself, without
the server's code, packages or environment.
"""
