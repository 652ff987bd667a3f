"""One pool under test: start, stop, find its processes, kill them, look at its leftovers."""

import json
import os
import select
import signal
import subprocess
import time

PID_FILES = {"chipqd": "chipqd.pid", "execd": "execd.pid", "agent": "worker.pid"}
UP_SECONDS = 30


class PoolError(Exception):
    """The pool did what it must never do: not start, not stop, not answer."""


def read_file(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""


def is_alive(pid):
    stat = read_file(f"/proc/{pid}/stat")
    return bool(stat) and stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def command_name(pid):
    return read_file(f"/proc/{pid}/comm").strip().decode(errors="replace")


def kill_and_wait(pid):
    """SIGKILL, and back when the process is dead: its locks are free then. False: it was gone."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        return bool(select.select([fd], [], [], 10)[0])
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)


class Pool:
    def __init__(self, directory, binaries, mark, cores=None):
        self.dir, self.bin, self.mark, self.cores = directory, binaries, mark, cores
        self.base_env = {k: v for k, v in os.environ.items()
                         if not k.startswith(("CHIPQ_", "CQ_"))}
        self.up_seconds = []

    def configure(self, options):
        """Writes chipq.conf before the first start."""
        os.makedirs(self.dir, mode=0o700, exist_ok=True)
        path = os.path.join(self.dir, "chipq.conf")
        with open(path, "w", encoding="ascii") as f:
            f.writelines(f"{name} = {value}\n" for name, value in options.items())

    def send_twice(self, percent, log=None):
        """So many of all messages are sent a second time; each is named in the log."""
        self.base_env["CQ_FAILPOINTS"] = f"net.send=twice%{percent};client.send=twice%{percent}"
        if log:
            self.base_env["CQ_FAILPOINTS_LOG"] = log

    # -- commands

    def chipq(self, *args, env=None, timeout=60):
        """Runs one chipq command: (exit status, stdout, stderr). 124 when it hangs."""
        command = [os.path.join(self.bin, "chipq"), "--dir", self.dir, *args]
        try:
            done = subprocess.run(command, env={**self.base_env, **(env or {})}, timeout=timeout,
                                  stdin=subprocess.DEVNULL, capture_output=True, check=False)
        except subprocess.TimeoutExpired:
            return 124, "", "timed out"
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def up(self, failpoints=""):
        args = ["up"] + (["--cores", str(self.cores)] if self.cores else [])
        env = {"CQ_FAILPOINTS": failpoints} if failpoints else None
        return self.chipq(*args, env=env, timeout=UP_SECONDS)

    def must_up(self):
        status, _, errors = self.up()
        if status != 0:
            raise PoolError(f"chipq up ended with {status}: {errors.strip()}\n{self.log_tails()}")

    def must_down(self):
        status, _, errors = self.chipq("down")
        if status != 0:
            raise PoolError(f"chipq down ended with {status}: {errors.strip()}")

    def status(self):
        code, out, _ = self.chipq("status", "--json", timeout=10)
        return json.loads(out) if code == 0 else None

    def release_held(self):
        """A held submit whose answer was lost is known to nobody, and would wait for ever."""
        code, out, _ = self.chipq("jobs", "--state", "held", "--json", timeout=20)
        numbers = [str(job["number"]) for job in json.loads(out)["jobs"]] if code == 0 else []
        if numbers:
            self.chipq("release", *numbers)

    def wait_drained(self, seconds):
        """True when nothing waits or runs any more, within `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.release_held()
            status = self.status()
            if status and not any(status[k] for k in ("jobs_waiting", "jobs_running",
                                                      "tasks_waiting", "tasks_running")):
                return True
            time.sleep(0.1)
        return False

    def dump(self, path):
        with open(path, "wb") as f:
            done = subprocess.run([os.path.join(self.bin, "chipqd"), "--dir", self.dir, "--dump"],
                                  env=self.base_env, stdout=f, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise PoolError(f"chipqd --dump ended with {done.returncode}: {done.stderr.decode()}")

    def log_tails(self, lines=15):
        out = []
        for name in ("chipqd.log", "worker.log"):
            text = read_file(os.path.join(self.dir, "log", name)).decode(errors="replace")
            out.append(f"-- {name}\n" + "\n".join(text.splitlines()[-lines:]))
        return "\n".join(out)

    # -- processes

    def daemon_pid(self, kind):
        words = read_file(os.path.join(self.dir, "run", PID_FILES[kind])).split()
        pid = int(words[0]) if words and words[0].isdigit() else 0
        return pid if pid and is_alive(pid) else 0

    def shepherds(self):
        """Shepherds that have a file of this instance open."""
        home = os.path.realpath(self.dir) + "/"
        return [pid for pid in processes()
                if command_name(pid).startswith("chipq-sheph") and self.has_open(pid, home)]

    @staticmethod
    def has_open(pid, directory):
        try:
            for name in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{name}").startswith(directory):
                    return True
        except OSError:
            pass
        return False

    def jobs(self):
        wanted = self.mark.encode()
        return [pid for pid in processes() if command_name(pid) == "cqjob" and is_alive(pid)
                and wanted in read_file(f"/proc/{pid}/environ").split(b"\0")]

    def find(self, kind):
        if kind == "shepherd":
            return self.shepherds()
        if kind == "job":
            return self.jobs()
        pid = self.daemon_pid(kind)
        return [pid] if pid else []

    def kill(self, kind, rng):
        """Kills one process of that kind with SIGKILL; its pid, or 0 when there is none."""
        candidates = sorted(self.find(kind))
        if not candidates:
            return 0
        pid = rng.choice(candidates)
        return pid if kill_and_wait(pid) else 0

    def kill_all(self):
        """For the end of a test that went wrong: nothing of this pool stays behind."""
        for _ in range(20):
            left = [pid for kind in ("execd", "agent", "chipqd", "shepherd", "job")
                    for pid in self.find(kind)]
            if not left:
                return
            for pid in left:
                kill_and_wait(pid)
