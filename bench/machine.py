"""What the measuring scripts share: the machine that they run on, and the page that they write."""

import array
import fcntl
import glob
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PLACES = 12
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_TOPDIR_FL = 0x80086601, 0x40086602, 0x00020000


def say(text):
    print(text, file=sys.stderr, flush=True)


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def spread_subdirectories(folder):
    """Has the file system, where it knows how, put each in a part of the disk of its own."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flags = array.array("i", [0, 0])
        fcntl.ioctl(fd, FS_IOC_GETFLAGS, flags)
        flags[0] |= FS_TOPDIR_FL
        fcntl.ioctl(fd, FS_IOC_SETFLAGS, flags)
    except OSError:
        pass
    finally:
        os.close(fd)


def fresh_folder(parent, prefix):
    """A new directory in a part of the disk where new files cost what they should.

    ext4 without a journal does not give the number of a deleted file away for a minute to five, and looks at each of them
    whenever it makes a new file in the same block group. Where an earlier run, or a test, has just deleted ten thousand
    files, each new one takes up to a millisecond, and a job has one: its output. So runs would measure what was deleted
    before them. Of some directories in different groups this takes the one with the fastest files."""
    folder = tempfile.mkdtemp(prefix=prefix, dir=parent)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as top:
        spread_subdirectories(top)
        found = [tempfile.mkdtemp(dir=top) for _ in range(PLACES)]
        os.rename(min(found, key=lambda place: create_us(place, 50)), folder)
    return folder


# -- facts

def sync_us(folder, n=200):
    """Median time of a 4 KiB append with fdatasync."""
    times = []
    fd = os.open(os.path.join(folder, "sync"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for _ in range(n):
        begun = time.monotonic_ns()
        os.write(fd, b"x" * 4096)
        os.fdatasync(fd)
        times.append((time.monotonic_ns() - begun) / 1000)
    os.close(fd)
    return statistics.median(times)


def create_us(folder, n=200):
    """Median time to make an empty file where a pool in `folder` would make it."""
    times = []
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for i in range(n):
            begun = time.monotonic_ns()
            os.close(os.open(os.path.join(place, str(i)), os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            times.append((time.monotonic_ns() - begun) / 1000)
    return statistics.median(times)


def file_system(folder):
    best = ("", "", "unknown")
    for line in read("/proc/self/mounts").splitlines():
        device, point, kind = line.split()[:3]
        if os.path.realpath(folder).startswith(point.rstrip("/") + "/") and len(point) >= len(best[1]):
            best = (device, point, kind)
    journal = glob.glob(f"/proc/fs/jbd2/{os.path.basename(best[0])}-*")
    return best[2] + (" without a journal" if best[2] == "ext4" and not journal else "")


def disk(folder):
    return (f"{file_system(folder)}, append and fdatasync of 4 KiB: {sync_us(folder):.0f} us, a new file: "
            f"{create_us(folder):.0f} us")


def processors():
    models = [line.split(":", 1)[1].strip() for line in read("/proc/cpuinfo").splitlines()
              if line.startswith("model name")]
    return f"{len(os.sched_getaffinity(0))} x {models[0] if models else 'unknown'}"


def memory():
    return f"{int(read('/proc/meminfo').split()[1]) // 1024} MiB"


def system():
    names = [line.split("=", 1)[1].strip('"') for line in read("/etc/os-release").splitlines()
             if line.startswith("PRETTY_NAME=")]
    return f"{names[0] if names else 'Linux'}, kernel {platform.release()}"


def commit():
    said = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], check=False,
                          capture_output=True, text=True).stdout.strip()
    return said or "unknown"


def load():
    return read("/proc/loadavg").split()[0]


# -- the page

def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def part_of(page, heading):
    """From its heading to the next of that rank; empty when the page has none."""
    found = re.search(rf"^{re.escape(heading)}\n.*?(?=^## |\Z)", page, re.M | re.S)
    return found.group(0).strip() + "\n\n" if found else ""


def with_part(page, heading, text):
    """The page with `text` in place of the part of that heading, else before "Doing it again"."""
    old = re.search(rf"^{re.escape(heading)}\n.*?(?=^## |\Z)", page, re.M | re.S)
    if old:
        return page[:old.start()] + text + page[old.end():]
    at = page.find("## Doing it again")
    return page[:at] + text + page[at:] if at >= 0 else page.rstrip() + "\n\n" + text
