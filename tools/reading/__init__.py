"""Files that strangers have written -> text, read in a process of its own that is locked in and has limits.

    read("pdf", data, seconds=60)   # the text; raises Unreadable, whose text says why and what to do

A worker calls it, never a web process. docs/files.md says what can be read.
"""

from tools.reading.kinds import READABLE, Kind, kind_of
from tools.reading.process import Unreadable, read

__all__ = ["READABLE", "Kind", "Unreadable", "kind_of", "read"]
