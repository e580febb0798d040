"""A small file system for one directory, in a mount namespace of its own.

Only processes that are started through it see it; the test itself looks at it
by path(). It needs root (or whatever else lets one mount a tmpfs)."""

import os
import select
import subprocess

import pytest


class SmallDisk:
    def __init__(self, directory, megabytes):
        os.makedirs(directory, exist_ok=True)
        self.directory = str(directory)
        script = (f"mount -t tmpfs -o size={megabytes}m,mode=700 pinfold-test "
                  '"$0" && echo mounted && exec cat')
        try:
            self.holder = subprocess.Popen(
                ["unshare", "-m", "--propagation", "private", "sh", "-c",
                 script, self.directory], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except FileNotFoundError:
            pytest.skip("there is no unshare")
        ready, _, _ = select.select([self.holder.stdout], [], [], 60)
        if not ready or self.holder.stdout.readline() != b"mounted\n":
            self.close()
            pytest.skip("no tmpfs can be mounted here: " + self.holder.stderr
                        .read().decode(errors="replace").strip())

    def close(self):
        self.holder.stdin.close()
        try:
            self.holder.wait(5)
        except subprocess.TimeoutExpired:
            self.holder.kill()
            self.holder.wait()

    def carry(self, process):
        """The process starts inside from now on."""
        process.argv = ["nsenter", "-t", str(self.holder.pid), "-m", "--",
                        *process.argv]

    def path(self, name=""):
        return f"/proc/{self.holder.pid}/root" + \
            os.path.join(self.directory, name)

    def free(self):
        s = os.statvfs(self.path())
        return s.f_bavail * s.f_frsize

    def fill(self, leave):
        """Until so many bytes are free, as well as it goes."""
        with open(self.path("ballast"), "ab") as f:
            while self.free() > leave:
                step = max(4096, min(self.free() - leave, 1 << 20))
                try:
                    os.posix_fallocate(f.fileno(), f.tell(), step)
                except OSError:
                    return
                f.seek(0, os.SEEK_END)

    def shrink(self, leave):
        """What fills it, until so many bytes are free."""
        path = self.path("ballast")
        os.truncate(path, os.path.getsize(path) - (leave - self.free()))

    def clear(self):
        os.remove(self.path("ballast"))

    def remount(self, how):
        subprocess.run(["nsenter", "-t", str(self.holder.pid), "-m", "--",
                        "mount", "-o", "remount," + how, self.directory],
                       check=True)
