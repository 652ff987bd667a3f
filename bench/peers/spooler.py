"""task-spooler: a queue of one user on one machine, in its server's memory."""

import os
import re
import socket
import struct
import subprocess

from peers.scheduler import Scheduler, kill_9, until


class Spooler(Scheduler):
    name, how, needs = "task-spooler", "a command each", ("tsp",)
    array_part = 1 / 4

    def __init__(self, folder, build):
        super().__init__(folder, build)
        self.socket, self.gate = os.path.join(folder, "socket"), os.path.join(folder, "gate")
        self.env.update(TS_SOCKET=self.socket, TMPDIR=folder, TS_MAXFINISHED="10", TS_SLOTS="2")
        os.mkfifo(self.gate)

    def version(self):
        return self.ask("tsp", "-V").split(" - ")[0].strip()

    def up(self):
        self.ask("tsp", "-S", "2")

    def server(self):
        """It writes its number nowhere, but the kernel knows who listens."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.socket)
            return struct.unpack("3i", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]

    def down(self):
        self.open_gate()
        subprocess.run(["tsp", "-K"], env=self.env, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def submit(self, held, *argv):
        return ["tsp", *argv]  # without its output kept (-n) it does not say its number

    def hold(self):
        """It can hold no job: one with both slots stands before them, until the gate opens."""
        self.ask("tsp", "-n", "-N", "2", "sh", "-c", f": <{self.gate}")
        until(lambda: " running " in self.ask("tsp"), 10, "task-spooler starts no job")

    def open_gate(self):
        try:
            os.close(os.open(self.gate, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            pass  # nobody stands there

    def array(self, n):
        self.ask("sh", "-c", f"i=0; while [ $i -lt {n} ]; do tsp -n /bin/true || exit 1; i=$((i+1)); done; tsp -n -f /bin/true")
        self.drain()

    def jobs(self):
        return [int(n) for n in re.findall(r"^(\d+) +(?:queued|running) ", self.ask("tsp"), re.M)]

    def clear(self):
        self.open_gate()
        self.drain()

    def crash(self):
        kill_9(self.server())
        self.open_gate()
        self.up()
