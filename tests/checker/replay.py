"""A model of the journal, written from the promises and not from chipq's code.

It walks the records in order, keeps jobs, tasks, attempts and leases, and hands every step that no
promise allows to the report. The rules read the model afterwards.
"""

from history import cores, ranges

OWN_FAILURES = {"fail", "error", "timeout", "oom"}


class Attempt:
    def __init__(self, number, lease, seq):
        self.number, self.lease, self.assigned_seq = number, lease, seq
        self.started_seq = self.ended_seq = None
        self.end = None
        self.called_back = False  # by TASK_REQUEUE

    def has_started(self):
        return self.started_seq is not None or bool(self.end and self.end.get("start_us"))

    def was_handed_back(self):
        """Ended by the word that it never ran: its lease closed, or its pool was stopped."""
        if self.end is None or self.has_started():
            return False
        return self.end["verdict"] == "returned" or self.end.get("limit") == "stop"


class Task:
    def __init__(self, number):
        self.number = number
        self.attempts = []
        self.cancelled_seq = None
        self.losses = self.own_failures = 0
        self.outcome = None  # done failed killed lost
        self.over_seq = None

    def live(self):
        return self.attempts[-1] if self.attempts and self.attempts[-1].end is None else None

    def final(self):
        """How it ended. Losses of attempts that never started may be forgiven or not: a task that
        ended with one counts as lost."""
        if self.outcome or not self.attempts or self.attempts[-1].end is None:
            return self.outcome
        last = self.attempts[-1]
        return "lost" if last.end["verdict"] == "lost" and not last.has_started() else None


class Job:
    def __init__(self, record):
        self.record = record
        self.id, self.number = record["id"], record["number"]
        self.name = record.get("name", "")
        self.never = record.get("restart") in (1, "never")
        self.tasks = {n: Task(n) for n in ranges(record.get("array", ""))}
        self.cancels = []

    def __str__(self):
        return f"job {self.number}" + (f" ({self.name})" if self.name else "")


class Lease:
    def __init__(self, record):
        self.id, self.worker = record["lease"], record["worker"]
        self.cores, self.mem_mib = cores(record.get("cores", "")), record.get("mem_mib", 0)
        self.opened_seq, self.closed_seq = record["seq"], None


class Model:
    """The journal walked to its end. `report(rule, text)` takes what no promise allows."""

    def __init__(self, records, report):
        self.report = report
        self.jobs, self.by_number, self.leases = {}, {}, {}
        self.live_on = {}  # lease -> {(job, task)} of its live attempts
        self.workers = {}  # id -> {"cores", "mem_mib"} as last offered
        self.epoch = 0
        last = None
        for record in records:
            seq = record["seq"]
            if last is not None and seq != last + 1:
                report("R10", f"journal goes from {last} to {seq}")
            last = seq
            handler = getattr(self, "on_" + record["type"].lower(), None)
            if handler:
                handler(record)

    # -- jobs

    def on_epoch_start(self, r):
        if r["epoch"] <= self.epoch:
            self.report("R10", f"epoch {r['epoch']} after epoch {self.epoch} (record {r['seq']})")
        self.epoch = r["epoch"]

    def on_job_submit(self, r):
        key = (r["enterprise"], r["number"])
        if r["id"] in self.jobs or key in self.by_number:
            self.report("R4", f"job number {r['number']} was given twice (record {r['seq']})")
            return
        self.jobs[r["id"]] = self.by_number[key] = Job(r)

    def job_of(self, r):
        job = self.jobs.get(r["job"])
        if job is None:
            self.report("R3", f"{r['type']} of a job that was never submitted (record {r['seq']})")
        return job

    def task_of(self, r):
        job = self.job_of(r)
        if job is None:
            return None, None
        task = job.tasks.get(r["task"])
        if task is None:
            self.report("R3", f"{r['type']} of task {r['task']} that {job} does not have")
        return job, task

    def on_job_cancel(self, r):
        job = self.job_of(r)
        if job is None:
            return
        wanted = ranges(r["tasks"]) if r.get("tasks") else set(job.tasks)
        job.cancels.append((r, wanted))
        for number in wanted & set(job.tasks):
            task = job.tasks[number]
            if task.over_seq is not None:
                continue
            task.cancelled_seq = task.cancelled_seq or r["seq"]
            if task.live() is None:
                task.outcome, task.over_seq = "killed", r["seq"]

    def on_task_requeue(self, r):
        job, task = self.task_of(r)
        if task is None:
            return
        live = task.live()
        if live is None or live.number != r["attempt"]:
            self.report("R5", f"{job}[{task.number}]: requeue of attempt {r['attempt']}, not live")
            return
        live.called_back = True

    # -- attempts

    def on_attempt_assign(self, r):
        job, task = self.task_of(r)
        if task is None:
            return
        what = f"{job}[{task.number}] attempt {r['attempt']}"
        if task.cancelled_seq is not None:
            self.report("R9", f"{what}: assigned after its cancel (record {r['seq']})")
        elif task.over_seq is not None:
            self.report("R5", f"{what}: assigned after the task ended as {task.outcome}")
        if task.live() is not None:
            self.report("R7", f"{what}: assigned while attempt {task.live().number} is live")
        expected = task.attempts[-1].number + 1 if task.attempts else 1
        if r["attempt"] != expected:
            self.report("R6", f"{what}: expected attempt {expected} (record {r['seq']})")
        if job.never and not all(a.was_handed_back() for a in task.attempts):
            self.report("R4", f"{what}: restart=never, and it was assigned before")
        lease = self.leases.get(r["lease"])
        if lease is None or lease.closed_seq is not None:
            self.report("R11", f"{what}: on lease {r['lease']}, which is not open")
        task.attempts.append(Attempt(r["attempt"], r["lease"], r["seq"]))
        self.live_on.setdefault(r["lease"], set()).add((job.id, task.number))

    def live_attempt(self, r):
        job, task = self.task_of(r)
        if task is None:
            return None, None, None
        live = task.live()
        if live is None or (live.number, live.lease) != (r["attempt"], r["lease"]):
            self.report("R5", f"{r['type']} of {job}[{task.number}] attempt {r['attempt']}, "
                              f"which is not the live one (record {r['seq']})")
            return job, task, None
        return job, task, live

    def on_attempt_start(self, r):
        job, task, live = self.live_attempt(r)
        if live is None:
            return
        if live.started_seq is not None:
            self.report("R6", f"{job}[{task.number}] attempt {live.number}: started twice")
        live.started_seq = r["seq"]

    def on_attempt_end(self, r):
        job, task, live = self.live_attempt(r)
        if live is None:
            return
        live.end, live.ended_seq = r, r["seq"]
        self.live_on.get(live.lease, set()).discard((job.id, task.number))
        outcome = self.outcome_of(job, task, live)
        if outcome:
            task.outcome, task.over_seq = outcome, r["seq"]

    @staticmethod
    def outcome_of(job, task, attempt):
        """The state in which this end leaves its task for good; None when it may start again."""
        verdict, asked = attempt.end["verdict"], job.record
        by_lease = attempt.end.get("limit") == "lease"
        own = verdict in OWN_FAILURES and not by_lease
        if verdict == "pass":
            return "done"
        if task.cancelled_seq is not None:
            return "failed" if verdict in OWN_FAILURES else "killed"
        if attempt.called_back:
            return None
        if own:
            task.own_failures += 1
            again = not job.never and task.own_failures < (asked.get("max_own_failures") or 1)
            return None if again else "failed"
        if verdict == "lost" or by_lease:
            return Model.outcome_of_loss(job, task, attempt)
        return "killed"

    @staticmethod
    def outcome_of_loss(job, task, attempt):
        on_lost = job.record.get("on_lost", 0)
        if attempt.was_handed_back():
            return None
        if job.never:
            return "lost"
        if on_lost == 1:
            return "failed"
        if not attempt.has_started() or on_lost == 2 or attempt.end.get("limit") == "stop":
            return None
        task.losses += 1
        return "lost" if task.losses >= (job.record.get("max_attempts") or 3) else None

    # -- workers and leases

    def on_worker_up(self, r):
        self.workers[r["worker"]] = {"cores": cores(r.get("cores", "")), "mem_mib": r["mem_mib"]}

    def open_leases(self, worker):
        return [x for x in self.leases.values() if x.worker == worker and x.closed_seq is None]

    def on_lease_open(self, r):
        lease = Lease(r)
        what = f"lease {lease.id} (record {r['seq']})"
        if lease.id in self.leases:
            self.report("R11", f"{what}: the number was given before")
            return
        node = self.workers.get(lease.worker)
        if node is None:
            self.report("R11", f"{what}: on worker {lease.worker}, which never registered")
            node = {"cores": lease.cores, "mem_mib": lease.mem_mib}
        others = self.open_leases(lease.worker)
        for other in others:
            if other.cores & lease.cores:
                self.report("R11", f"{what}: cores {sorted(other.cores & lease.cores)} are held by "
                                   f"lease {other.id}")
        if not lease.cores or lease.cores - node["cores"]:
            self.report("R11", f"{what}: cores {sorted(lease.cores)} of a node with "
                               f"{sorted(node['cores'])}")
        used = lease.mem_mib + sum(x.mem_mib for x in others)
        if used > node["mem_mib"]:
            self.report("R11", f"{what}: {used} MiB granted on a node with {node['mem_mib']}")
        if r["epoch"] != self.epoch:
            self.report("R10", f"{what}: of epoch {r['epoch']} in epoch {self.epoch}")
        self.leases[lease.id] = lease

    def on_lease_close(self, r):
        lease = self.leases.get(r["lease"])
        if lease is None or lease.closed_seq is not None:
            self.report("R11", f"lease {r['lease']} closed, but it is not open (record {r['seq']})")
            return
        lease.closed_seq = r["seq"]
        for job_id, number in sorted(self.live_on.pop(lease.id, ())):
            self.give_back(self.jobs[job_id], number, r)

    def give_back(self, job, number, r):
        """What is still queued in a lease that closes was never started, and waits again."""
        task = job.tasks[number]
        live = task.live()
        if live.started_seq is not None:
            self.report("R5", f"{job}[{number}] attempt {live.number} runs on lease {live.lease}, "
                              f"which closed (record {r['seq']})")
        live.end, live.ended_seq = {**r, "verdict": "returned"}, r["seq"]
        if task.cancelled_seq is not None:
            task.outcome, task.over_seq = "killed", r["seq"]

    def on_lease_adopt(self, r):
        lease = self.leases.get(r["lease"])
        if lease is None or lease.closed_seq is not None:
            self.report("R11", f"lease {r['lease']} adopted, but it is not open")
