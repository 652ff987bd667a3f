"""What the checker reads: client journals, ground truth, the dump of chipqd, the driver's journal.

Every loader returns plain lists and dicts; nothing is judged here except that a file is readable.
A last line without its newline is a torn write of a killed process and is left out.
"""

import json
import os

VERDICTS = ["", "pass", "fail", "error", "timeout", "oom", "killed", "lost"]


class Unreadable(Exception):
    """A file that is no history: the checker ends with 2, not with a verdict."""


def json_lines(path):
    """Objects of a JSON-lines file, in order."""
    with open(path, "rb") as f:
        data = f.read()
    rows = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            if not data.endswith(b"\n") and data.endswith(line):
                break
            raise Unreadable(f"{path}:{number}: no JSON: {line[:80]!r}") from None
        if not isinstance(row, dict):
            raise Unreadable(f"{path}:{number}: not an object")
        rows.append(row)
    return rows


def ranges(text):
    """Task numbers of '1-5,9'; an empty text is one task, number 0."""
    if not text:
        return {0}
    out = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        out.update(range(int(first), int(last or first) + 1))
    return out


def cores(text):
    """Core numbers of '0-3,8'; empty is none."""
    return ranges(text) if text else set()


class Call:
    """One call of a client: what was asked, and how it ended (ok, fail, unknown)."""

    def __init__(self, origin, invoke):
        self.origin = origin
        self.invoke = invoke
        self.outcome = "unknown"  # a client that died never learns
        self.result = {}

    def __str__(self):
        name = self.invoke.get("name") or self.invoke.get("number")
        return f"{self.origin} {self.invoke['op']} {name}"


def client_calls(paths):
    """The calls of all client journals."""
    calls = []
    for path in paths:
        open_calls = {}
        for row in json_lines(path):
            if row["ev"] == "invoke":
                if row["id"] in open_calls:
                    raise Unreadable(f"{path}: call {row['id']} invoked twice")
                call = Call(f"{os.path.basename(path)}#{row['id']}", row)
                open_calls[row["id"]] = call
                calls.append(call)
            elif row["ev"] in ("ok", "fail", "unknown"):
                call = open_calls.get(row["id"])
                if call is None:
                    raise Unreadable(f"{path}: outcome of call {row['id']} without its invoke")
                call.outcome, call.result = row["ev"], row
            else:
                raise Unreadable(f"{path}: unknown event {row['ev']!r}")
    return calls


def truth(directory):
    """Ground truth: every line of every file of the directory."""
    rows = []
    if not directory:
        return rows
    for name in sorted(os.listdir(directory)):
        rows.extend(json_lines(os.path.join(directory, name)))
    return rows


def dump(path):
    """(journal records in order, job rows) of `chipqd --dump`. Lines are
    {"seq", "at_us", "record": {"record": TYPE, fields}} and then {"job": {columns}}."""
    records, jobs = [], []
    for line in json_lines(path):
        if "job" in line and "seq" not in line:
            jobs.append(line["job"])
            continue
        if jobs:
            raise Unreadable(f"{path}: a journal record after the job rows")
        record = {**line["record"], "seq": line["seq"], "type": line["record"]["record"]}
        verdict = record.get("verdict")
        if isinstance(verdict, int):
            record["verdict"] = VERDICTS[verdict] if verdict < len(VERDICTS) else "?"
        records.append(record)
    return records, jobs


def as_bytes(value):
    """Bytes of a field that the dump shows as hex."""
    try:
        return bytes.fromhex(value or "")
    except ValueError:
        return (value or "").encode()


def processes_with(mark):
    """Living processes whose environment holds NAME=VALUE exactly: [(pid, command line)]."""
    found = []
    wanted = mark.encode()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as f:
                environment = f.read().split(b"\0")
            with open(f"/proc/{name}/cmdline", "rb") as f:
                command = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
            with open(f"/proc/{name}/stat", "rb") as f:
                state = f.read().rpartition(b")")[2].split()[0]
        except OSError:
            continue
        if wanted in environment and state not in (b"Z", b"X"):
            found.append((int(name), command))
    return found
