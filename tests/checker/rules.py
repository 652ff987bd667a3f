"""The rules: no job lost, none doubled. Each takes the history and reports what must not be."""

import history as read
from replay import Model, OWN_FAILURES

TITLES = {
    "R1": "every acknowledged submit is in the journal",
    "R2": "an unanswered submit is there once or not at all, a refused one never",
    "R3": "every job was asked for, as it was asked for",
    "R4": "one key gives one job; restart=never starts once",
    "R5": "every job ends exactly once, by legal steps",
    "R6": "no start without its assignment, no attempt started twice",
    "R7": "two attempts of a task never overlap",
    "R8": "an accepted end is the end that the job itself wrote",
    "R9": "nothing starts after an acknowledged cancel",
    "R10": "the journal has no gap and agrees with the job rows",
    "R11": "no core and no memory is given twice, all is free at the end",
    "R12": "no process is left",
    "R15": "all jobs ended within the bound after the last fault",
}
NOT_CHECKED = {
    "R13": "isolation: needs reply captures of two enterprises",
    "R14": "audit: there is no audit chain yet",
}
TERMINAL = {"done", "failed", "killed", "lost", "expired"}


class History:
    def __init__(self, calls, truth, records, rows, driver=(), leftovers=()):
        self.calls, self.truth, self.records, self.rows = calls, truth, records, rows
        self.driver, self.leftovers = list(driver), list(leftovers)


class Limits:
    def __init__(self, cancel_us=30_000_000, liveness_us=60_000_000):
        self.cancel_us, self.liveness_us = cancel_us, liveness_us


class Report:
    MAX_SHOWN = 20

    def __init__(self):
        self.violations = {rule: [] for rule in TITLES}
        self.checked = {rule: 0 for rule in TITLES}

    def add(self, rule, text):
        self.violations[rule].append(text)

    def count(self, rule, n=1):
        self.checked[rule] += n

    def is_clean(self):
        return not any(self.violations.values())

    def as_json(self):
        return {"ok": self.is_clean(),
                "rules": {rule: {"checked": self.checked[rule], "violations": texts}
                          for rule, texts in self.violations.items()},
                "not_checked": NOT_CHECKED}

    def as_text(self):
        lines = []
        for rule, texts in self.violations.items():
            if texts:
                state = f"BROKEN, {len(texts)} times"
            else:
                state = f"ok ({self.checked[rule]})" if self.checked[rule] else "nothing to check"
            lines.append(f"{rule:<4} {TITLES[rule]}: {state}")
            lines.extend(f"       {text}" for text in texts[:self.MAX_SHOWN])
            if len(texts) > self.MAX_SHOWN:
                lines.append(f"       ... and {len(texts) - self.MAX_SHOWN} more")
        lines.extend(f"{rule:<4} not checked: {why}" for rule, why in NOT_CHECKED.items())
        return "\n".join(lines)


# -- what clients were told

def submits(h):
    return [c for c in h.calls if c.invoke["op"] == "submit"]


def jobs_by_ask(model):
    """Jobs by what their submitter called them: the client key where known, else the name."""
    by_key, by_name = {}, {}
    for job in model.jobs.values():
        by_key.setdefault(job.record.get("client_key"), []).append(job)
        by_name.setdefault(job.name, []).append(job)
    return by_key, by_name


def found(call, by_key, by_name):
    if call.invoke.get("key"):
        return by_key.get(call.invoke["key"], [])
    return by_name.get(call.invoke["name"], [])


def check_submits(h, model, report):
    by_key, by_name = jobs_by_ask(model)
    asked = set()
    for call in submits(h):
        jobs = found(call, by_key, by_name)
        wanted = call.invoke.get("count", 1)
        asked.update(job.id for job in jobs)
        if call.outcome == "ok":
            report.count("R1")
            numbers = call.result.get("numbers") or [call.result["number"]]
            missing = set(numbers) - {job.number for job in jobs}
            if missing:
                report.add("R1", f"{call}: accepted as {sorted(missing)}, not in the journal")
        else:
            report.count("R2")
            if call.outcome == "fail" and jobs:
                report.add("R2", f"{call}: was refused, but is {jobs[0]}")
            if jobs and len(jobs) < wanted:
                report.add("R2", f"{call}: only {len(jobs)} of its {wanted} jobs are there")
        report.count("R4")
        if len(jobs) > wanted:
            report.add("R4", f"{call}: {wanted} asked, {len(jobs)} there: "
                             f"{sorted(job.number for job in jobs)}")
        for job in jobs:
            check_request(call, job, report)
    for job in model.jobs.values():
        if job.id not in asked:
            report.add("R3", f"{job}: nobody asked for it")


def check_request(call, job, report):
    """The stored request is what the client sent, as far as the client's journal tells."""
    report.count("R3")
    spec = call.invoke.get("spec", {})
    for field, wanted in spec.items():
        if field == "argv":
            continue
        stored = job.record.get(field)
        if field == "array":
            same = read.ranges(wanted) == read.ranges(stored)
        else:
            same = stored == wanted
        if not same:
            report.add("R3", f"{job}: {field} is {stored!r}, asked was {wanted!r}")
    if call.invoke.get("digest") and job.record.get("digest") != call.invoke["digest"]:
        report.add("R3", f"{job}: digest {job.record.get('digest')}, sent {call.invoke['digest']}")
    run = read.as_bytes(job.record.get("run"))
    missing = [word for word in spec.get("argv", []) if word.encode() not in run]
    if missing:
        report.add("R3", f"{job}: its stored command has no {missing[0]!r}")


# -- what the jobs themselves saw

class Seen:
    """One attempt as its own process told it."""

    def __init__(self):
        self.starts, self.ends, self.last_us = [], [], 0
        self.pids = set()

    def add(self, row):
        self.last_us = max(self.last_us, row["boot_us"])
        if row["ev"] == "start":
            self.starts.append(row)
            self.pids.add(row["pid"])
        elif row["ev"] == "end":
            self.ends.append(row)

    def first_us(self):
        return min(row["boot_us"] for row in self.starts) if self.starts else self.last_us


def truth_by_task(h):
    """{(job number, task): {attempt: Seen}}"""
    tasks = {}
    for row in h.truth:
        attempts = tasks.setdefault((row["job"], row["task"]), {})
        attempts.setdefault(row["attempt"], Seen()).add(row)
    return tasks


def jobs_by_number(model):
    return {job.number: job for job in model.jobs.values()}


def check_truth(h, model, report):
    by_number = jobs_by_number(model)
    for (number, task_number), attempts in truth_by_task(h).items():
        what = f"job {number}[{task_number}]"
        job = by_number.get(number)
        task = job.tasks.get(task_number) if job else None
        if task is None:
            report.add("R3", f"{what} ran, but nobody asked for it")
            continue
        check_starts(job, task, attempts, report)
        check_overlap(what, attempts, report)


def check_starts(job, task, attempts, report):
    known = {attempt.number: attempt for attempt in task.attempts}
    what = f"{job}[{task.number}]"
    for number, seen in attempts.items():
        report.count("R6")
        if number not in known:
            report.add("R6", f"{what} attempt {number} ran, the journal never assigned it")
        elif seen.starts and known[number].was_handed_back():
            report.add("R6", f"{what} attempt {number} ran, and was handed back as if it had not "
                             f"(record {known[number].ended_seq})")
        if len(seen.starts) > 1:
            report.add("R6", f"{what} attempt {number} started {len(seen.starts)} times")
    if job.never:
        report.count("R4")
        starts = sum(len(seen.starts) for seen in attempts.values())
        if starts > 1:
            report.add("R4", f"{what}: restart=never, and it started {starts} times")


def check_overlap(what, attempts, report):
    order = sorted(attempts)
    for before, after in zip(order, order[1:]):
        report.count("R7")
        late = attempts[before].last_us - attempts[after].first_us()
        if late > 0:
            report.add("R7", f"{what}: attempt {before} was still alive {late} us after attempt "
                             f"{after} had started")


def check_accepted(h, model, report):
    """Every end that claims an exit status is one that the job itself wrote."""
    seen_tasks = truth_by_task(h)
    for job in model.jobs.values():
        for task in job.tasks.values():
            attempts = seen_tasks.get((job.number, task.number), {})
            for attempt in task.attempts:
                if attempt.end is not None:
                    check_end(job, task, attempt, attempts.get(attempt.number), report)


def check_end(job, task, attempt, seen, report):
    what = f"{job}[{task.number}] attempt {attempt.number}"
    code, verdict = attempt.end.get("exit_code", -1), attempt.end["verdict"]
    exits = [row["exit"] for row in seen.ends] if seen else []
    if verdict == "pass" or (code >= 0 and verdict in OWN_FAILURES):
        report.count("R8")
        if code not in exits:
            report.add("R8", f"{what}: recorded as {verdict}, exit {code}; the job wrote "
                             f"{exits or 'no end'}")
    if verdict == "pass" and code != 0:
        report.add("R8", f"{what}: passed with exit {code}")


# -- cancels

def check_cancels(h, model, report, limits):
    by_number, seen_tasks = jobs_by_number(model), truth_by_task(h)
    for call in h.calls:
        if call.invoke["op"] != "cancel" or call.outcome != "ok":
            continue
        report.count("R9")
        number = call.invoke["number"]
        job = by_number.get(number)
        if job is None:
            report.add("R1", f"{call}: acknowledged, but there is no job {number}")
            continue
        wanted = read.ranges(call.invoke["tasks"]) if call.invoke.get("tasks") else set(job.tasks)
        if not job.cancels and any(job.tasks[n].over_seq is None for n in wanted):
            report.add("R9", f"{call}: acknowledged, not in the journal")
        bound = call.result["boot_us"] + limits.cancel_us
        for task in wanted:
            for attempt, seen in seen_tasks.get((number, task), {}).items():
                check_silence(f"{job}[{task}] attempt {attempt}", seen, bound, report)


def check_silence(what, seen, bound, report):
    if any(row["boot_us"] > bound for row in seen.starts):
        report.add("R9", f"{what}: started after its cancel was acknowledged and the bound over")
    elif seen.last_us > bound:
        report.add("R9", f"{what}: alive {seen.last_us - bound} us after the bound of its cancel")


# -- the end

def check_terminal(h, model, report):
    rows = {(row.get("enterprise"), row["number"]): row for row in h.rows}
    if len(rows) != len(h.rows):
        report.add("R10", "a job has two rows")
    numbers = {number for _, number in rows}
    for job in model.jobs.values():
        report.count("R5")
        for task in job.tasks.values():
            live = task.live()
            if live is not None:
                report.add("R5", f"{job}[{task.number}] attempt {live.number} never ended")
        if job.number not in numbers:
            report.add("R10", f"{job} has no row")
    known = jobs_by_number(model)
    for row in h.rows:
        job = known.get(row["number"])
        if job is None:
            report.add("R10", f"row of job {row['number']}, which the journal does not know")
        else:
            check_row(job, row, report)


def check_row(job, row, report):
    report.count("R10")
    state = row["state"]
    if state not in TERMINAL:
        report.add("R15", f"{job}: still {state}")
        return
    ends = [task.final() for task in job.tasks.values()]
    for number, task in job.tasks.items():
        if task.final() is None and task.live() is None:
            report.add("R5", f"{job}[{number}]: its job is {state}, and it has not ended")
    wanted = expected_state(ends)
    started = any(task.attempts for task in job.tasks.values())
    if state != wanted and (state != "expired" or started):
        report.add("R10", f"{job}: its row says {state}, its tasks say {wanted}")
    counts = {"tasks": len(ends), "passed": ends.count("done"), "failed": ends.count("failed"),
              "killed": ends.count("killed"), "lost": ends.count("lost"), "waiting": 0,
              "running": 0}
    for name, count in counts.items():
        if name in row and row[name] != count and state != "expired":
            report.add("R10", f"{job}: its row says {name} {row[name]}, the journal {count}")


def expected_state(ends):
    """A job's state follows from its tasks' ends: the gravest decides."""
    for state in ("failed", "lost", "killed"):
        if state in ends:
            return state
    return "done"


def check_books(model, report):
    for lease in model.leases.values():
        report.count("R11")
        if lease.closed_seq is None:
            report.add("R11", f"lease {lease.id} of worker {lease.worker} is still open at the end")


def check_leftovers(h, report):
    report.count("R12")
    for pid, command in h.leftovers:
        report.add("R12", f"process {pid} is left: {command}")


def check_liveness(h, report, limits):
    healed = [row for row in h.driver if row["ev"] == "healed"]
    if not healed:
        return
    report.count("R15")
    drained = [row for row in h.driver if row["ev"] == "drained"]
    if not drained:
        report.add("R15", "the pool was not drained after the last fault")
        return
    took = drained[-1]["boot_us"] - healed[-1]["boot_us"]
    if took > limits.liveness_us:
        report.add("R15", f"drained {took} us after the last fault, bound {limits.liveness_us}")


def check(h, limits=None):
    """All rules on one history."""
    limits, report = limits or Limits(), Report()
    model = Model(h.records, report.add)
    check_submits(h, model, report)
    check_truth(h, model, report)
    check_accepted(h, model, report)
    check_cancels(h, model, report, limits)
    check_terminal(h, model, report)
    check_books(model, report)
    check_leftovers(h, report)
    check_liveness(h, report, limits)
    return report
