#!/usr/bin/env bats
# chipq-bench against a real pool: each measurement gives its figures, and the jobs it counts did run.

# alone: it measures, and quiet is part of what it measures
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_up
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

@test "throughput of an array counts its tasks and the raw limit" {
    run --separate-stderr chipq-bench throughput --array --jobs 40 --json
    [ "$status" -eq 0 ]
    [ "$(json jobs <<<"$output")" = 40 ]
    [ "$(python3 -c 'import json,sys; v = json.load(sys.stdin); print(v["jobs_per_second"] > 0 and v["raw_per_second"] > 0 and v["ratio"] > 0)' <<<"$output")" = True ]
    [ "$(chipq jobs --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["jobs"][0]["tasks_passed"])')" = 40 ]
}

@test "throughput of separate jobs waits for every one of them" {
    run --separate-stderr chipq-bench throughput --jobs 30 --no-raw --json
    [ "$status" -eq 0 ]
    [ "$(json measurement <<<"$output")" = "throughput, separate jobs" ]
    [ "$(chipq jobs --json | python3 -c 'import json,sys; print(sum(j["state"] == "done" for j in json.load(sys.stdin)["jobs"][:30]))')" = 30 ]
}

@test "latency is measured over a connection and by commands" {
    run --separate-stderr chipq-bench latency --samples 5 --json
    [ "$status" -eq 0 ]
    for field in connection_start_us_p50 connection_answer_us_p99 process_start_us_p95; do
        [ "$(json $field <<<"$output")" -gt 0 ]
    done
}

@test "submits are acknowledged, then taken back" {
    run --separate-stderr chipq-bench submit --jobs 300 --json
    [ "$status" -eq 0 ]
    [ "$(json jobs <<<"$output")" = 300 ]
    [ "$(chipq status --json | json jobs_waiting)" = 0 ]
}

@test "a command that fails is no measurement" {
    run chipq-bench throughput --array --jobs 3 --command /bin/false
    [ "$status" -ne 0 ]
    [[ "$output" == *"0 of 3 passed"* ]]
}

@test "without a pool it says so" {
    run chipq-bench throughput --dir "$BATS_TEST_TMPDIR/none"
    [ "$status" -ne 0 ]
    [[ "$output" == *"chipq up"* ]]
}

@test "launch: what a start costs at each level of isolation, without a pool" {
    run --separate-stderr chipq-bench launch --samples 2 --json
    [ "$status" = 0 ]
    python3 -c 'import json, sys
r = json.load(sys.stdin)
assert [l["level"] for l in r["levels"]] == ["bare", "group", "sandbox", "full"], r
assert r["program_us_p50"] > 0
possible = [l for l in r["levels"] if l["possible"]]
assert possible
for l in possible:
    assert 0 < l["task_us_p50"] < l["job_us_p50"], l' <<<"$output"
    run -0 chipq-bench launch --samples 1
    [[ $output == *"LEVEL"*"program"*"bare"*"full"* ]]
    run -0 find /tmp -maxdepth 1 -name 'chipq-launch-*' -newer "$BATS_TEST_TMPDIR"
    [ -z "$output" ]
}

@test "a pool of virtual workers: every task is accounted for, beside a real worker" {
    run --separate-stderr chipq-bench workers --count 5 --cores 2 --numa 2 --run-time 2 --duration 1 --pending 200 \
        --samples 3 --json
    echo "$stderr" >&2
    [ "$status" -eq 0 ]
    python3 -c 'import json, sys
r = json.load(sys.stdin)
assert r["tasks"] >= 203 and r["passed"] > 0, r
assert r["passed"] + r["cancelled"] == r["tasks"], r
assert r["pairs_per_second"] > 0 and r["submit_to_grant_us_p50"] > 0, r
assert r["chipqd_cpu_us_per_pair"] > 0, r' <<<"$output"
    python3 -c 'import json, sys
rows = json.load(sys.stdin)["nodes"]
virtual = [n for n in rows if n["name"].startswith("virtual-")]
assert len(virtual) == 5, rows
assert all(n["state"] == "down" for n in virtual), virtual' < <(chipq nodes --json)
    [ "$(chipq status --json | json jobs_waiting)" = 0 ]
    run chipq --key "$CHIPQ_DIR/keys/admin.key" admin user list
    [[ $output == *virtual-* ]]
}

@test "more machines and users than fit one message are all listed, each once" {
    run -0 --separate-stderr chipq-bench workers --count 1300 --run-time 2 --duration 1 --pending 10 --samples 0 --json
    run -0 chipq nodes --format name
    [ "$(grep '^virtual-' <<<"$output" | sort -u | grep -c .)" -ge 1300 ]
    [ "$(grep -c . <<<"$output")" = "$(sort -u <<<"$output" | grep -c .)" ]
    chipq nodes --json | python3 -c 'import json, sys
assert len(json.load(sys.stdin)["nodes"]) >= 1301'
    chipq nodes --topology | python3 -c 'import sys
assert sys.stdin.read().count("virtual-") >= 1300'
    chipq admin user list --json | python3 -c 'import json, sys
users = [(u["enterprise"], u["user"]) for u in json.load(sys.stdin)["users"]]
assert len(users) >= 1303 and len(set(users)) == len(users), len(users)'
    chipq admin worker list --json | python3 -c 'import json, sys
assert len(json.load(sys.stdin)["workers"]) >= 1301'
}

@test "virtual workers run arrays while chipqd is asked" {
    run --separate-stderr chipq-bench workers --count 3 --run-time 0 --duration 1 --pending 500 --array --samples 0 \
        --queries 200 --json
    echo "$stderr" >&2
    [ "$status" -eq 0 ]
    python3 -c 'import json, sys
r = json.load(sys.stdin)
assert r["answers_per_second"] > 0 and r["asked_ratio"] > 0, r
assert r["passed"] + r["cancelled"] == r["tasks"] > 500, r' <<<"$output"
}

@test "floods: one enterprise's submits are measured beside another's, which leaves nothing behind" {
    for more in '' '--count 2 --run-time 1'; do
        # shellcheck disable=SC2086
        run --separate-stderr chipq-bench flood --flood connections --duration 1 --window 4 $more --json
        echo "$stderr" >&2
        [ "$status" -eq 0 ]
        python3 -c 'import json, sys
r = json.load(sys.stdin)
assert r["connections_flood_accepted_per_second"] > 0, r
assert r["connections_quiet_us_p99"] > 0 and r["connections_flooded_us_p99"] > 0, r
assert r["worst_ratio_p99"] == r["connections_ratio_p99"] > 0, r' <<<"$output"
        [ "$(chipq --key "$CHIPQ_DIR/keys/admin.key" status --json | json jobs_waiting)" = 0 ]
    done
    run chipq-bench flood --flood nonsense
    [ "$status" -eq 2 ]
    [[ $output == *"no flood 'nonsense'"*bytes_most* ]]
}

@test "waiting jobs are queued, weighed and taken back" {
    chipq node drain "$(chipq nodes --json | json nodes.0.name)" --key "$CHIPQ_DIR/keys/admin.key"
    run --separate-stderr chipq-bench backlog --jobs 2400 --bytes 600 --keep --json
    [ "$status" -eq 0 ]
    [ "$(json jobs <<<"$output")" = 2400 ]
    [ $(($(json request_bytes <<<"$output") / 10)) = 60 ]
    [ "$(chipq status --json | json jobs_waiting)" = 2400 ]
    run --separate-stderr chipq-bench cancel --json
    [ "$(json jobs <<<"$output")" = 2400 ]
    [ "$(chipq status --json | json jobs_waiting)" = 0 ]
}

# How often threads of these processes woke up from a sleep of their own.
wakeups() {
    local pid
    for pid in "$@"; do
        cat "/proc/$pid"/task/*/status
    done | awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n }'
}

@test "an idle pool sleeps: nothing wakes but heartbeats" {
    local CHIPQ_DIR="$BATS_TEST_TMPDIR/idle" pids before found quiet
    mkdir -m 700 "$CHIPQ_DIR"
    printf 'heartbeat = 5m\n' >"$CHIPQ_DIR/chipq.conf"
    export CHIPQ_DIR
    chipq up --cores 1 --mem 1G
    chipq wait "$(chipq submit --mem 16M -- true)"
    pids=$(pool_pid chipqd; pool_pid execd; pool_pid worker)
    # Four times three seconds of nothing: at first leases close, and libzmq's own heartbeat comes once a minute. One is
    # quiet.
    quiet=999
    for _ in 1 2 3 4; do
        before=$(wakeups $pids)
        timeout 3 tail --pid="${pids%%$'\n'*}" -f /dev/null || true
        found=$(($(wakeups $pids) - before))
        quiet=$((found < quiet ? found : quiet))
    done
    chipq down >/dev/null
    [ "$quiet" = 0 ]
}

@test "raw: what the machine can do, without a pool" {
    run --separate-stderr chipq-bench raw --jobs 20 --json --dir "$BATS_TEST_TMPDIR/none"
    [ "$status" -eq 0 ]
    [ "$(json jobs <<<"$output")" = 20 ]
    [ "$(python3 -c 'import json,sys; print(json.load(sys.stdin)["raw_per_second"] > 0)' <<<"$output")" = True ]
    run chipq-bench raw --jobs 2 --command /bin/false
    [ "$status" -ne 0 ]
    [[ "$output" == *"/bin/false does not exit with 0"* ]]
}

# compare_row NAME [PATH]: bench/compare of this scheduler alone; its row in the page.
compare_row() {
    local page="$BATS_TEST_TMPDIR/page.md"
    printf '# Page\n\n## Beside other schedulers\n\nold\n\n## Doing it again\n\nhow\n' >"$page"
    env PATH="${2:-$PATH}" "$CHIPQ_ROOT/bench/compare" "${CHIPQ_BIN%/bin}" --array 40 --submits 8 --samples 2 --work "$BATS_TEST_TMPDIR" \
        --out "$page" --only "$1" >/dev/null || return
    [ "$(grep -c '^old$' "$page")" = 0 ] && [ "$(tail -n 1 "$page")" = how ] || return
    grep -i "^| $1" "$page"
}

@test "compare: chipq has every figure, loses nothing, and is gone afterwards" {
    run --separate-stderr compare_row chipq
    echo "$output $stderr" >&2
    [ "$status" -eq 0 ]
    [[ "$output" =~ ^"| chipq "[0-9.]+" | "[0-9.]+" (an array), "[0-9.]+" (a command each) | "[0-9.]+" | "[0-9.]+" | "[0-9.]+" ms | "[0-9.]+" ms | 0 of 8 | 0 of 20 | "([0-9.]+|–)" |"$ ]]
    [[ "$output" != *"| 0.0 |" ]]
    run -0 find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'cqcmp-*'
    [ -z "$output" ]
}

@test "compare: a peer that cannot be set up has a row that says why" {
    run --separate-stderr compare_row Slurm "$(dirname "$(command -v python3)"):/usr/bin:/bin" # slurmctld is in sbin
    echo "$output $stderr" >&2
    [[ "$output" == "| Slurm | not installed: no slurmctld |"* ]]
}

@test "profile: without perf nothing is measured, and the page stays" {
    echo old >"$BATS_TEST_TMPDIR/page.md"
    run -0 "$CHIPQ_ROOT/bench/profile" "${CHIPQ_BIN%/bin}" --perf "$BATS_TEST_TMPDIR/perf" --out "$BATS_TEST_TMPDIR/page.md"
    [[ "$output" == *"skipped, the page stays as it is: $BATS_TEST_TMPDIR/perf is not there"* ]]
    run -0 cat "$BATS_TEST_TMPDIR/page.md"
    [ "$output" = old ]
}

@test "profile: the time of a job, by process" {
    perf record -q -a -g -e cpu-clock -o "$BATS_TEST_TMPDIR/try" -- true >/dev/null 2>&1 || skip "perf cannot sample here"
    echo '# Page' >"$BATS_TEST_TMPDIR/page.md"
    run --separate-stderr "$CHIPQ_ROOT/bench/profile" "${CHIPQ_BIN%/bin}" --jobs 300 --work "$BATS_TEST_TMPDIR" \
        --out "$BATS_TEST_TMPDIR/page.md"
    echo "$output $stderr" >&2
    [ "$status" -eq 0 ]
    python3 - "$BATS_TEST_TMPDIR/page.md" <<'END'
import re, sys
page = open(sys.argv[1]).read()
assert page.startswith("# Page\n\n## Where the time goes\n"), page
job = [float(cell) for cell in re.search(r"^\| the job: `/bin/true` \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", page, re.M).groups()]
assert min(job) > 0, job
shepherd = re.search(r"^\| chipq-shepherd, .*? \| \d+ \| (\d+) \| \d+ \| (\d+) \|$", page, re.M)
assert min(map(int, shepherd.groups())) > 0, page
assert re.search(r"^\| chipq-shepherd, .*execve\(\) \d+.*\|$", page, re.M), page
END
    run -0 find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'chipq-profile-*'
    [ -z "$output" ]
}
