"""Wall clocks of processes under test that a test sets as it likes."""

import os
import struct
import subprocess

from process import ROOT

SECOND, MINUTE, DAY = 1000, 60_000, 86_400_000
YEAR = 365 * DAY


def build(folder, name="shiftclock"):
    """The library to preload; None where there is no C compiler."""
    library = os.path.join(folder, name + ".so")
    source = os.path.join(ROOT, "tests", "lib", name + ".c")
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library,
                        source], check=True)
    except FileNotFoundError:
        return None
    return library


class Clock:
    """The clock of one process, from its next start on."""

    def __init__(self, process, library, folder):
        self.path = os.path.join(folder, process.name + ".clock")
        self.set(0)
        process.env.update(LD_PRELOAD=library, SHIFTCLOCK=self.path)
        process.env["ASAN_OPTIONS"] += ":verify_asan_link_order=0"

    def set(self, milliseconds):
        # Eight bytes in one write: never seen half.
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(fd, struct.pack("=q", milliseconds), 0)
        finally:
            os.close(fd)
