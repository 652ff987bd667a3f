"""A clean history, built record by record, with one of everything the rules look at."""

import rules

ARGV = ["cqjob", "run-1"]


class Builder:
    def __init__(self):
        self.records, self.rows, self.calls, self.truth_rows = [], [], [], []
        self.driver = [{"ev": "healed", "boot_us": 5_000_000},
                       {"ev": "drained", "boot_us": 6_000_000}]
        self.leftovers = []
        self.clock = 1_000_000
        self.lease = 100

    def record(self, kind, **fields):
        self.clock += 1000
        self.records.append({"seq": len(self.records) + 1, "at_us": self.clock, "type": kind,
                             **fields})

    def submit(self, number, outcome="ok", **fields):
        name, key = f"c1-{number}", f"{number:032x}"
        spec = {"cores": 1, "restart": 0, "array": "", **fields}
        self.calls.append({"op": "submit", "name": name, "key": key, "outcome": outcome,
                           "number": number, "spec": {**spec, "argv": ARGV}})
        self.record("JOB_SUBMIT", id=1000 + number, enterprise=1, number=number, name=name,
                    client_key=key, digest="ab", mem_mib=64, on_lost=0,
                    max_attempts=3, max_own_failures=spec.pop("max_own_failures", 1),
                    run="\0".join(ARGV).encode().hex(), **spec)
        self.calls[-1]["spec"].pop("max_own_failures", None)

    def refused(self, name, outcome="fail"):
        self.calls.append({"op": "submit", "name": name, "key": "f" * 31 + name[-1],
                           "outcome": outcome, "spec": {}})

    def open(self, cores="0", mem_mib=64):
        self.lease += 1
        self.record("LEASE_OPEN", lease=self.lease, worker=7, epoch=1, cores=cores,
                    mem_mib=mem_mib, enterprise=1)
        return self.lease

    def close(self, lease):
        self.record("LEASE_CLOSE", lease=lease, why="")

    def truth(self, event, number, task, attempt, **fields):
        self.clock += 1000
        self.truth_rows.append({"ev": event, "job": number, "task": task, "attempt": attempt,
                                "pid": 5000 + attempt, "boot_us": self.clock, **fields})

    def start(self, lease, number, task, attempt):
        at = {"lease": lease, "job": 1000 + number, "task": task, "attempt": attempt}
        self.record("ATTEMPT_ASSIGN", **at)
        self.truth("start", number, task, attempt)
        self.record("ATTEMPT_START", **at)

    def end(self, lease, number, task, attempt, verdict="pass", code=0):
        if code >= 0:
            self.truth("end", number, task, attempt, exit=code)
        self.record("ATTEMPT_END", lease=lease, job=1000 + number, task=task, attempt=attempt,
                    verdict=verdict, exit_code=code)

    def run(self, number, task=0, attempt=1, verdict="pass", code=0):
        lease = self.open()
        self.start(lease, number, task, attempt)
        self.end(lease, number, task, attempt, verdict, code)
        self.close(lease)

    def cancel(self, number, outcome="ok"):
        self.record("JOB_CANCEL", job=1000 + number, tasks="", principal=3, cause="cancelled")
        self.clock += 1000
        self.calls.append({"op": "cancel", "number": number, "outcome": outcome, "tasks": "",
                           "boot_us": self.clock})

    def row(self, number, state, **fields):
        self.rows.append({"enterprise": "local", "number": number, "state": state, **fields})

    def history(self):
        return rules.History([call_of(i, c) for i, c in enumerate(self.calls)], self.truth_rows,
                             self.records, self.rows, self.driver, self.leftovers)


class Call:
    """As history.Call, from the builder's short form."""

    def __init__(self, number, short):
        self.origin, self.outcome = f"sample#{number}", short["outcome"]
        self.invoke = {k: v for k, v in short.items() if k != "outcome"}
        if short["op"] == "submit":
            self.invoke.pop("number", None)
        self.result = {k: short[k] for k in ("number", "boot_us") if k in short}

    def __str__(self):
        return f"{self.origin} {self.invoke['op']}"


def call_of(number, short):
    return Call(number, short)


def clean():
    """Jobs: 1 passes; 2 is an array whose task 2 fails once; 3 is restart=never and lost; 4 is
    cancelled while it runs; 5 before it starts; 6 loses a lease and runs again; 7 was submitted
    without an answer; 8 fails for good. One submit was refused, one never arrived."""
    b = Builder()
    b.record("EPOCH_START", epoch=1)
    b.record("WORKER_UP", worker=7, cores="0-1", mem_mib=128, name="here")
    b.submit(1)
    b.run(1)
    b.row(1, "done", tasks=1, passed=1)
    b.submit(2, array="1-3", max_own_failures=2)
    b.run(2, 1)
    b.run(2, 2, 1, "fail", 1)
    b.run(2, 2, 2)
    b.run(2, 3)
    b.row(2, "done", tasks=3, passed=3)
    b.submit(3, restart=1)
    b.run(3, 0, 1, "lost", -1)
    b.row(3, "lost", lost=1)
    b.submit(4)
    lease = b.open()
    b.start(lease, 4, 0, 1)
    b.cancel(4)
    b.end(lease, 4, 0, 1, "killed", -1)
    b.close(lease)
    b.row(4, "killed")
    b.submit(5)
    b.cancel(5)
    b.row(5, "killed")
    b.submit(6)
    b.run(6, 0, 1, "lost", -1)
    b.run(6, 0, 2)
    b.row(6, "done")
    b.submit(7, outcome="unknown")
    b.run(7)
    b.row(7, "done")
    b.submit(8)
    b.run(8, 0, 1, "fail", 3)
    b.row(8, "failed", failed=1)
    b.refused("c1-x1")
    b.refused("c1-x2", "unknown")
    return b
