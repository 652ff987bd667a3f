"""What bench/compare wants of a scheduler, and what they share."""

import os
import re
import select
import signal
import subprocess
import time

from machine import read


def until(condition, seconds, what):
    """Waits for something outside that tells nobody when it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"gave up after {seconds} s: {what}")
        time.sleep(0.005)


def pid_in(path):
    words = read(path).split()
    return int(words[0]) if words else 0


def kill_9(pid):
    """Back when all of its threads are gone, and its locks with them."""
    fd = os.pidfd_open(pid)
    signal.pidfd_send_signal(fd, signal.SIGKILL)
    if not select.select([fd], [], [], 10)[0]:
        raise RuntimeError(f"{pid} does not die")
    os.close(fd)


class Scheduler:
    """Set up below `folder`, with two slots, by up(); all of it gone after down().

    Subclasses give: name, how (jobs a second are measured), needs (programs), version(), up(), down(), submit(), array(),
    jobs() and crash()."""

    name, how, needs = "", "an array", ()
    needs_root = False
    array_part = 1  # of the jobs that --array says

    one_by_one = None  # where it has arrays, too: the same as array() by commands

    def __init__(self, folder, _build):
        self.dir, self.env = folder, dict(os.environ)

    def version(self):
        """With the program's own name, as the table shows it."""
        raise NotImplementedError

    def submit(self, held, *argv):
        """The user's command that queues argv and prints its number; held: it must not start."""
        raise NotImplementedError

    def hold(self):
        """Before submits that are held, where they cannot say so themselves."""

    def array(self, n):
        """Runs /bin/true n times; back when the scheduler knows that all have ended."""
        raise NotImplementedError

    def jobs(self):
        """The numbers of all that wait or run."""
        raise NotImplementedError

    def clear(self):
        """Takes all back that wait."""
        raise NotImplementedError

    def server(self):
        """The process that acknowledges submits."""
        raise NotImplementedError

    def crash(self):
        """kill -9 of it, and a start again."""
        raise NotImplementedError

    def direct(self, *argv):
        """A command that starts argv in a slot at once and waits for it; None: there is none."""
        return None

    def number(self, said):
        """A job's number, from a line that submit() printed."""
        return int(re.findall(r"\d+", said)[-1])

    def drain(self):
        until(lambda: not self.jobs(), 120, f"{self.name} runs still: {self.jobs()[:10]}")

    def ask(self, *argv):
        """What a command says that must succeed."""
        done = subprocess.run(argv, check=False, env=self.env, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)}: {(done.stderr or done.stdout).decode(errors='replace').strip()[-300:]}")
        return done.stdout.decode(errors="replace")

    def answers(self, *argv):
        """The same where a failure is an answer, too."""
        done = subprocess.run(argv, check=False, env=self.env, stdin=subprocess.DEVNULL, capture_output=True)
        return done.stdout.decode(errors="replace") if done.returncode == 0 else None
