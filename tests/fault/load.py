"""Clients that submit, wait and cancel through the command line, each with a journal of what it
asked and what it was told."""

import json
import os
import threading
import time

OK, USAGE, NOT_FOUND, REFUSED, CONFLICT = 0, 2, 3, 4, 7


def boot_us():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class Journal:
    """JSON lines, one write each."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.calls = 0

    def write(self, **row):
        os.write(self.fd, (json.dumps({**row, "boot_us": boot_us()}) + "\n").encode())

    def invoke(self, **row):
        self.calls += 1
        self.write(ev="invoke", id=self.calls, **row)
        return self.calls


class Client(threading.Thread):
    """One user's shell loop. `healed` is clear while a fault is being mended."""

    WINDOW = 6  # submits that may be on their way before it waits for the oldest

    def __init__(self, pool, name, folder, cqjob, rng, healed, shape=None):
        super().__init__(name=name, daemon=True)
        self.pool, self.rng, self.healed, self.cqjob = pool, rng, healed, cqjob
        self.shape = shape or {}
        self.truth = os.path.join(folder, "truth")
        self.journal = Journal(os.path.join(folder, f"client-{name}.jsonl"))
        self.stopping = threading.Event()
        self.open, self.recent, self.made = [], [], 0
        self.counts = {"ok": 0, "fail": 0, "unknown": 0}

    # -- calls

    def outcome(self, call, status, **result):
        if status == OK:
            event = "ok"
        elif status in (USAGE, NOT_FOUND, REFUSED, CONFLICT):
            event = "fail"
        else:
            event = "unknown"
        self.counts[event] += 1
        self.journal.write(ev=event, id=call, exit=status, **result)
        return event

    def command(self, name):
        milliseconds = int(self.rng.triangular(1, self.shape.get("max_ms", 400), 20))
        argv = [self.cqjob, self.truth, name, str(milliseconds)]
        kind = self.rng.random()
        if kind < 0.10:
            argv += ["--exit", str(self.rng.randint(1, 9))]
        elif kind < 0.25:
            argv += ["--linger", "2000"]
        elif kind < 0.30:
            argv += ["--ignore-term"]
        return argv

    def submit(self, *options, shout=0, ms=None, flags=(), env=None, **spec):
        self.made += 1
        name = f"{self.name}-{self.made}"
        argv = self.command(name) if ms is None else [self.cqjob, self.truth, name, str(ms)]
        argv += [*(["--shout", str(shout)] if shout else []), *flags]
        call = self.journal.invoke(op="submit", name=name, key="", spec={**spec, "argv": argv})
        mark, _, value = self.pool.mark.partition("=")
        status, out, _ = self.pool.chipq("submit", "--name", name, "--grace", "200ms", *options,
                                         "--", *argv, env={**(env or {}), mark: value})
        if status != OK:
            self.outcome(call, status)
            return 0
        number = int(out)
        self.outcome(call, status, number=number)
        self.open.append(number)
        self.recent = (self.recent + [number])[-8:]
        return number

    def submit_one(self):
        self.submit(restart=0, array="", cores=1)

    def submit_never(self):
        self.submit("--restart", "never", restart=1, array="", cores=1)

    def submit_array(self):
        tasks = f"1-{self.rng.randint(2, self.shape.get('array', 6))}"
        self.submit("--array", tasks, restart=0, array=tasks, cores=1)

    def submit_dependent(self):
        if not self.recent:
            return
        when = self.rng.choice(("ok", "any", "notok"))
        self.submit("--after", f"{when}:{self.rng.choice(self.recent)}", restart=0, cores=1)

    def cancel(self):
        if not self.recent:
            return
        number = self.rng.choice(self.recent)
        call = self.journal.invoke(op="cancel", number=number, tasks="")
        status, _, _ = self.pool.chipq("cancel", str(number))
        self.outcome(call, status)

    def hold_and_release(self):
        """A release that got no answer is said again: a held job would never drain."""
        number = self.submit("--hold", restart=0, array="", hold=1)
        deadline = time.monotonic() + 60
        while number and time.monotonic() < deadline:
            if self.pool.chipq("release", str(number))[0] in (OK, NOT_FOUND, REFUSED, CONFLICT):
                return
            self.healed.wait(timeout=10)
            time.sleep(0.1)

    def requeue(self):
        if self.recent:
            self.pool.chipq("requeue", str(self.rng.choice(self.recent)))

    def submit_loud(self):
        """More output than it may keep: the middle of it is dropped."""
        self.submit("--output-max", "1M", "--output-full", "drop", restart=0, array="", cores=1,
                    shout=4 << 20)

    def submit_deaf(self):
        """It ignores TERM, so its time limit ends in a kill."""
        self.submit("--time", "300ms", restart=0, array="", cores=1, flags=["--ignore-term"], ms=5000)

    def run_flow(self):
        """A flow of one plain command: it has outputs, which are published."""
        self.made += 1
        name = f"{self.name}-{self.made}"
        argv = [self.cqjob, self.truth, name, "20"]
        path = os.path.join(os.path.dirname(self.truth), f"{name}.yaml")
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"flow": f"flow-{name}", "jobs": {name: {"run": argv}}}, f)
        call = self.journal.invoke(op="submit", name=name, key="",
                                   spec={"restart": 0, "cores": 1, "argv": argv})
        mark, _, value = self.pool.mark.partition("=")
        status, out, _ = self.pool.chipq("run", path, "--no-follow", "--json", env={mark: value})
        number = json.loads(out)["jobs"][0]["number"] if status == OK else 0
        self.outcome(call, status, **({"number": number} if number else {}))

    def await_state(self, number, wanted, seconds=15):
        """True when it is so within that time; it gives up when the job is over."""
        deadline = time.monotonic() + seconds
        while number and time.monotonic() < deadline:
            status, out, _ = self.pool.chipq("job", str(number), "--json")
            state = json.loads(out)["state"] if status == OK else ""
            if state == wanted or state not in ("", "pending", "held", "running"):
                return state == wanted
        return False

    def requeue_running(self):
        """One that certainly runs, as long as the pool is there to run it."""
        number = self.submit(restart=0, array="", cores=1, ms=1000)
        if self.await_state(number, "running"):
            self.pool.chipq("requeue", str(number))

    def configure(self):
        """What an admin does: a company of its own with a person, limits, a licence, a booking."""
        name = f"co-{self.name}-{self.made}"
        admin = ("--key", os.path.join(self.pool.dir, "keys", "admin.key"))
        for words in (("admin", "enterprise", "add", name, "--weight", "2"),
                      ("admin", "enterprise", "set", name, "--max-cores", "2"),
                      ("admin", "user", "add", f"{name}/ann", "--key-out",
                       os.path.join(self.pool.dir, f"{name}.key")),
                      ("admin", "user", "revoke", f"{name}/ann"),
                      ("licence", "set", f"f-{self.name}", "3")):
            self.pool.chipq(*admin, *words)

    def wait_oldest(self):
        """Back pressure: the number of jobs in flight stays bounded."""
        number = self.open.pop(0)
        self.pool.chipq("wait", "--timeout", "5s", str(number), timeout=20)

    def step(self):
        operation = self.rng.choices(
            (self.submit_one, self.submit_never, self.submit_array, self.submit_dependent,
             self.cancel, self.hold_and_release, self.requeue), weights=(8, 4, 3, 3, 3, 1, 2))[0]
        operation()
        if len(self.open) > self.WINDOW:
            self.wait_oldest()

    def run(self):
        while not self.stopping.is_set():
            self.healed.wait(timeout=10)
            self.step()
