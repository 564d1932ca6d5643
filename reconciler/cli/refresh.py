"""`ptctl refresh`: sources and artifacts, never Plex. What is blocked is carried over byte for byte."""

import os
import socket
from functools import partial
from pathlib import Path

import click
import trio

from reconciler.cli.console import Console
from reconciler.cli.exits import Exit
from reconciler.cli.planning import request_from
from reconciler.cli.progress import fetching
from reconciler.cli.specs import console_of, load_or_fail, spec_argument, spec_options

__all__ = ["refresh"]
