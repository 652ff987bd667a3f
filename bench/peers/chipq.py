"""A pool of chipq on two cores."""

import os
import re
import subprocess

from peers.scheduler import Scheduler, kill_9, pid_in


class Chipq(Scheduler):
    name, needs = "chipq", ()

    def __init__(self, folder, build):
        super().__init__(folder, build)
        self.bin, self.pool = os.path.join(os.path.abspath(build), "bin"), os.path.join(folder, "pool")

    def command(self, *args):
        return [os.path.join(self.bin, "chipq"), "--dir", self.pool, *args]

    def version(self):
        return self.ask(*self.command("version")).strip()

    def up(self):
        self.ask(*self.command("up", "--cores", "2", "--mem", "2G"))

    def down(self):
        subprocess.run(self.command("down"), check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def submit(self, held, *argv):
        return self.command("submit", "--mem", "16M", *(["--hold"] if held else []), "--", *argv)

    def array(self, n):
        number = self.ask(*self.command("submit", "--mem", "16M", "--array", f"1-{n}", "--", "/bin/true"))
        self.ask(*self.command("wait", number.strip()))

    def jobs(self):
        said = "".join(self.ask(*self.command("jobs", "--state", state, "--limit", "10000", "--json"))
                       for state in ("held", "pending", "running"))
        return [int(number) for number in re.findall(r'"number": (\d+)', said)]

    def clear(self):
        self.ask(*self.command("cancel", *map(str, self.jobs())))

    def server(self):
        return pid_in(os.path.join(self.pool, "run", "chipqd.pid"))

    def crash(self):
        kill_9(self.server())
        self.up()

    def one_by_one(self, n):
        command = " ".join(self.submit(False, "/bin/true"))
        self.ask("sh", "-c", f"i=0; while [ $i -lt {n} ]; do {command} || exit 1; i=$((i+1)); done")
        self.drain()
