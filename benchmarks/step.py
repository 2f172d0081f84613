"""What a step costs beyond the model's own time: wall time, and CPU of the web and the worker process.

    .venv/bin/python -m benchmarks.step [--turns 200] [--clients 4]

It starts a server of its own (embedded services, one web process, one worker) against the tests' fake LLM, and measures
two kinds of turns side by side: plain ones (one step) and ones with a memory edit (two steps).
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import psycopg

from tests.fakellm import FakeLLM
from tests.live import Server

PLAIN = "!say A short answer."
MEMORY = '!call memory_insert {"label": "human", "new_string": "x"}\n!then\n!say Noted.'
TICKS = os.sysconf("SC_CLK_TCK")
