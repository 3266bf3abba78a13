"""What the checkers of this folder share: programs that are started and ended, ports, and what was found."""

import socket
import subprocess
import sys

started, failures = [], []


def check(what, holds, seen=""):
    """Tells whether a promise holds, with what was seen."""
    print(("ok    " if holds else "FAIL  ") + what + (f"  [{seen}]" if seen != "" else ""), flush=True)
    if not holds:
        failures.append(what)


def start(*command, **more):
    """A program that is killed at the end, if it runs still."""
    process = subprocess.Popen([str(part) for part in command], **more)
    started.append(process)
    return process


def free_port():
    """A port of the loopback that nobody has."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def finish():
    """Ends what runs."""
    for process in started:
        if process.poll() is None:
            process.kill()


def verdict():
    """Ends with what failed."""
    sys.exit(f"{len(failures)} failed: " + "; ".join(failures) if failures else 0)
