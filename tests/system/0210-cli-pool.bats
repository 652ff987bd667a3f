#!/usr/bin/env bats
# The command line against a pool of its own: one pool for the file, each test with jobs of its own.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_up
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

setup() {
    T=$(mktemp -d)
}

teardown() {
    rm -rf "$T"
}

@test "why a job waits is told as the README tells it" {
    job=$(chipq submit --cores 8 -- true)
    run -0 chipq why "$job"
    [ "$output" = "$(sed -n '/^\$ chipq why 3$/,/^```$/p' "$CHIPQ_ROOT/README.md" | sed -e 1d -e '$d' -e "s/^job 3 /job $job /")" ]
    run -0 chipq cancel "$job"
}

@test "up again: already running, exit 0, same processes" {
    before=$(pool_pid chipqd)
    run -0 chipq up
    [[ $output == *"already running"* ]]
    [ "$(pool_pid chipqd)" = "$before" ]
}

@test "submit prints the number alone; wait and exit statuses" {
    run -0 --separate-stderr chipq submit -- true
    [[ $output =~ ^[0-9]+$ ]]
    run -0 chipq wait "$output"
    bad=$(chipq submit -- sh -c 'exit 3')
    run -1 chipq wait "$bad"
    [[ $output == *"job $bad: fail"* ]]
    run -0 chipq job "$bad" --json
    [ "$(json exit_code <<<"$output")" = 3 ]
    [ "$(json verdict <<<"$output")" = fail ]
    run -3 chipq wait 999999
    run -1 chipq submit --wait -- false
}

@test "logs: whole, followed, and escaped names of jobs" {
    job=$(chipq submit --name $'evil\e[31m\nname' -- sh -c 'echo one; echo two')
    run -0 chipq logs -f "$job"
    [ "$output" = $'one\ntwo' ]
    run -0 chipq logs "$job"
    [ "$output" = $'one\ntwo' ]
    run -0 chipq jobs --format number,name
    [[ $output == *'evil\x1b[31m\x0aname'* ]]
    log=$(chipq job "$job" --json | json log_path)
    [ "$(cat "$log")" = $'one\ntwo' ]
}

@test "the job gets the caller's environment without LD_* and CHIPQ_KEY" {
    job=$(GREETING=hallo LD_LIBRARY_PATH=/nowhere BASH_ENV=/x chipq submit -- env)
    run -0 chipq logs -f "$job"
    [[ $output == *"GREETING=hallo"* ]]
    [[ $output == *"CHIPQ_JOB=$job"* ]]
    [[ $output != *"LD_LIBRARY_PATH"* && $output != *"BASH_ENV"* ]]
}

@test "arrays: tasks, verdict, failed tasks, logs of one" {
    job=$(chipq submit --array 1-6%2 -- sh -c 'echo task $CHIPQ_TASK; test $CHIPQ_TASK != 4')
    run -1 chipq wait "$job"
    [[ $output == *"tasks 4"* ]]
    run -0 chipq job "$job" --json
    [ "$(json tasks_passed <<<"$output")" = 5 ]
    [ "$(json failed_tasks <<<"$output")" = 4 ]
    run -0 chipq logs "$job[4]"
    [ "$output" = "task 4" ]
}

@test "hold, why, release; cancel; requeue" {
    job=$(chipq submit --hold -- true)
    run -0 chipq why "$job"
    [[ $output == *"held"* ]]
    run -6 chipq wait "$job" --timeout 100ms
    run -0 chipq release "$job"
    run -0 chipq wait "$job"
    job=$(chipq submit -- sleep 600)
    run -0 chipq cancel "$job"
    run -1 chipq wait "$job"
    [[ $output == *"killed"* ]]
    run -3 chipq cancel 999999
    run -7 chipq release "$job"
}

@test "actions say what they did; what is over is shown how to submit again" {
    job=$(chipq submit -- sleep 600)
    chipq job "$job" >/dev/null
    run -0 --separate-stderr chipq cancel "$job"
    [ -z "$output" ]
    [[ $stderr == *"job $job: cancelled"* ]]
    bad=$(chipq submit --name x --mem 64M -- sh -c 'exit 3')
    run -1 chipq wait "$bad"
    run -7 chipq requeue "$bad"
    [[ $output == *"job $bad is over: failed; submit it again: chipq submit --mem 64M"*"-- sh -c 'exit 3'"* ]]
    run -7 --separate-stderr chipq requeue "$bad" --json
    [ "$(json results.0.result <<<"$output")" = conflict ]
}

@test "jobs by range and list; a flow by name" {
    a=$(chipq submit --hold -- true)
    b=$(chipq submit --hold -- true)
    run -0 --separate-stderr chipq jobs "$a-$b" --jsonl
    [ "$(wc -l <<<"$output")" = 2 ]
    run -0 chipq release "$a,$b"
    run -0 chipq wait "$a-$b"
    run -3 chipq jobs "$a,999999"
    [[ $output == *"no such job: 999999"* ]]
    printf 'flow: nightly\njobs:\n  a: {run: ["true"], hold: true}\n  b: {run: ["true"], needs: a}\n' >"$T/f.yaml"
    run -0 chipq run "$T/f.yaml" --no-follow
    run -0 chipq cancel --flow nightly
    [ "$(grep -c cancelled <<<"$output")" = 2 ]
    run -3 chipq hold --flow nightly
    [[ $output == *"no job of a flow 'nightly' waits or runs"* ]]
    run -2 chipq cancel
}

@test "a task must be named, and must be there" {
    job=$(chipq submit --array 5-9 -- sh -c 'test $CHIPQ_TASK -ne 7')
    run -1 chipq wait "$job"
    [[ $output == *"job $job: fail, tasks 7 (exit status 1)"*"job $job: log "*"/7.1.log"* ]]
    run -2 chipq logs "$job"
    [[ $output == *"job $job is an array of 5; name one: chipq logs '$job[7]' (failed: 7)"* ]]
    run -3 chipq job "$job[201]"
    [[ $output == *"job $job has no task 201"* ]]
    run -3 chipq logs "$job[201]"
}

@test "job shows what its attempt used; why says how it ended" {
    job=$(chipq submit --mem 100M -- sh -c 'exit 4')
    run -1 chipq wait "$job"
    run -0 chipq job "$job"
    [[ $output == *"run time"*"peak memory"*" of 100M"* ]]
    [[ $output != *"failed tasks"* ]]
    run -0 chipq why "$job"
    [[ $output == *"has ended: fail"*"exit status 4"*"log "*"/$job/0.1.log"* ]]
}

@test "run --attach follows and reports a flow again" {
    printf 'flow: again\njobs:\n  a: {run: [sh, -c, "exit 2"]}\n  b: {run: ["true"]}\n' >"$T/f.yaml"
    run -1 chipq run "$T/f.yaml"
    run -1 --separate-stderr chipq run --attach again
    [[ $output == *"again: fail, 1 of 2 jobs passed"* ]]
    number=$(chipq run --attach again --json | json jobs.1.number) || true
    run -1 --separate-stderr chipq run --attach "$number" --json
    [ "$(json jobs.0.name <<<"$output")" = a ]
    run -3 chipq run --attach nosuchflow
    [[ $output == *"no flow 'nosuchflow'"* ]]
}

@test "run --check --json prints an object" {
    printf 'flow: c\njobs:\n  a: {run: ["true"], array: 1-3}\n' >"$T/f.yaml"
    run -0 --separate-stderr chipq run "$T/f.yaml" --check --json
    [ "$(json jobs.0.tasks <<<"$output")" = 3 ]
    [[ $stderr == *"no problem found, 1 job"* ]]
}

@test "states in any case; a misspelt tool; completion of states and jobs" {
    run -0 chipq jobs --state DONE
    run -2 chipq jobs --state over
    [[ $output == *"there are: pending, held, running"* ]]
    run -3 chipq tools verilatr
    [[ $output == *"did you mean 'verilator'?"* ]]
    job=$(chipq submit -- true)
    run -0 chipq help --complete -- job "$job"
    [[ $output == *"$job"* ]]
    run -0 chipq help --complete -- jobs --state ru
    [ "$output" = running ]
}

@test "dependencies: ok, notok, and a job that can never start" {
    a=$(chipq submit -- false)
    b=$(chipq submit --after "notok:$a" -- true)
    c=$(chipq submit --after "ok:$a" -- true)
    run -0 chipq wait "$b"
    run -1 chipq wait "$c"
    [[ $output == *"job $c: skipped (dependency"* ]]
}

@test "an impossible request is told with the size of the largest worker, in a flow it is refused" {
    run -0 --separate-stderr chipq submit --mem 9000G -- true
    [[ $stderr == *"asks 9000G of memory; the largest worker has 2G"* ]]
    run -0 --separate-stderr chipq submit --cores 64 -- true
    [[ $stderr == *"asks 64 cores; the largest worker has 2"* ]]
    run -0 chipq why "$output"
    [[ $output == *"asks 64 cores; the largest worker has 2"* ]]
    printf 'jobs:\n  a: {run: [true], cores: 64}\n' >"$T/f.yaml"
    run -2 chipq run "$T/f.yaml"
    [[ $output == *"f.yaml:2:27: job 'a' asks 64 cores; the largest worker has 2"* ]]
    run -2 --separate-stderr chipq run "$T/f.yaml" --json
    [ "$(json errors.0.line <<<"$output")" = 2 ]
}

@test "a flow of plain commands: followed, reported, outputs of needs visible" {
    cat >"$T/f.yaml" <<'YAML'
flow: plain
jobs:
  make: {run: [sh, -c, 'mkdir -p out && echo data > out/x && cat "$CHIPQ_SRC/f.yaml" > /dev/null']}
  use: {run: [sh, -c, 'grep data "$CHIPQ_DEP_make/x"'], needs: [make]}
  many: {run: [sh, -c, 'test $CHIPQ_TASK -gt 0'], needs: [use], array: 1-5}
YAML
    run -0 --separate-stderr chipq run "$T/f.yaml"
    [[ $output == *"plain: pass, 3 of 3 jobs passed"* ]]
    [[ $output == *"5/5"* ]]
    [[ $stderr == *"many"*"5/5 passed"* ]]
    run -0 --separate-stderr chipq run "$T/f.yaml" --json
    [ "$(json verdict <<<"$output")" = pass ]
    [ -r "$(json jobs.0.log_path <<<"$output")" ]
}

@test "a flow with a failing job: exit 1, dependents skipped, the log named" {
    cat >"$T/f.yaml" <<'YAML'
jobs:
  bad: {run: [sh, -c, 'echo boom; exit 9']}
  after: {run: ["true"], needs: [bad]}
  anyway: {run: ["true"], needs: [{job: bad, when: any}]}
YAML
    run -1 --separate-stderr chipq run "$T/f.yaml"
    [[ $output == *"failures"* ]]
    [[ $output == *"1 of 3 jobs passed"* ]]
    log=$(grep -o '/.*\.log' <<<"$output" | head -n 1)
    [ "$(cat "$log")" = boom ]
}

@test "run --no-follow prints the numbers" {
    printf 'jobs:\n  a: {run: ["true"]}\n' >"$T/f.yaml"
    run -0 --separate-stderr chipq run "$T/f.yaml" --no-follow
    [[ $output =~ ^([0-9]+)\ a$ ]]
    run -0 chipq wait "${BASH_REMATCH[1]}"
}

@test "nodes, tools, status, doctor" {
    run -0 chipq nodes --json
    [ "$(json nodes.0.cores <<<"$output")" = 2 ]
    run -0 chipq tools --format name
    [[ $output == *"verilator"* ]]
    run -0 chipq tools verilator.sim
    [[ $output == *"seeds"* ]]
    run -0 chipq status --json
    [ "$(json workers_up <<<"$output")" = 1 ]
    [ "$(json enterprise <<<"$output")" = local ]
    run -0 chipq doctor --json
    [[ $output != *'"fail"'* ]]
}

@test "node drain and resume: a drained machine takes no job" {
    node=$(chipq nodes --json | json nodes.0.name)
    run -0 chipq node drain "$node"
    job=$(chipq submit -- true)
    run -0 chipq why "$job"
    run -6 chipq wait "$job" --timeout 100ms
    run -0 chipq node resume "$node"
    run -0 chipq wait "$job"
    run -3 chipq node drain nosuchnode
}

@test "another enterprise's job is no such job" {
    mine=$(chipq submit -- true)
    key=$(pool_as acme/ann designer)
    [ "$(stat -c %a "$key")" = 600 ]
    run -3 chipq --key "$key" job "$((mine + 1000))"
    theirs=$output
    run -3 chipq --key "$key" job "$mine"
    [ "${output//$mine/N}" = "${theirs//$((mine + 1000))/N}" ]
    run -3 chipq --key "$key" cancel "$mine"
    run -0 --separate-stderr chipq --key "$key" jobs --jsonl
    [ -z "$output" ]
    run -3 chipq --key "$key" admin enterprise add evil
    run -0 chipq admin user list acme
    [[ $output == *ann* ]]
    run -0 chipq admin user revoke acme/ann
    run -3 chipq --key "$key" jobs
}

@test "jobs: filters, CSV, JSON lines" {
    job=$(chipq submit --name 'a,"b' --project chips -- true)
    chipq wait "$job"
    run -0 chipq jobs --project chips --format csv
    [[ $output == *'"a,""b"'* ]]
    run -0 --separate-stderr chipq jobs --project chips --jsonl
    [ "$(head -n 1 <<<"$output" | json number)" = "$job" ]
    run -0 --separate-stderr chipq jobs --state pending --project chips --jsonl
    [ -z "$output" ]
    run -2 chipq jobs --state runing
    [[ $output == *"did you mean 'running'?"* ]]
}

@test "Ctrl-C on wait leaves the job running and says how to cancel it" {
    job=$(chipq submit -- sleep 600)
    chipq wait "$job" 2>"$T/said" &
    waiter=$!
    until [ "$(cat "/proc/$waiter/comm")" = chipq ] && (("0x$(awk '/SigCgt/ {print $2}' "/proc/$waiter/status")" & 2)); do :; done # chipq, not yet its shell, catches SIGINT
    kill -INT "$waiter"
    rc=0
    wait "$waiter" || rc=$?
    [ "$rc" = 130 ]
    grep -q "chipq cancel $job" "$T/said"
    [ "$(chipq job "$job" --json | json state)" != killed ]
    chipq cancel "$job"
}

@test "no colour in a pipe" {
    run -0 chipq jobs
    [[ $output != *$'\e'* ]]
}

@test "down ends everything, up goes on with the same jobs" {
    job=$(chipq submit --hold -- true)
    run -0 chipq down
    run -0 chipq down
    [[ $output == *"no pool runs"* ]]
    run -5 chipq jobs
    [[ $output == *"chipq up"* ]]
    chipq up
    run -0 chipq release "$job"
    run -0 chipq wait "$job"
}

@test "run ends when the scheduler stays away" {
    printf 'flow: away\njobs:\n  a: {run: ["true"], hold: true}\n' >"$T/f.yaml"
    chipq run "$T/f.yaml" --patience 100ms 2>"$T/said" &
    follower=$!
    until grep -q '^a .*held' "$T/said"; do :; done # it follows
    chipq down
    rc=0
    wait "$follower" || rc=$?
    [ "$rc" = 5 ]
    grep -q "the scheduler is away; waiting for it, at most 100 ms" "$T/said"
    grep -q "the scheduler has been away for .*Its jobs are kept: start it with chipq up" "$T/said"
    chipq up
    run -0 chipq cancel --flow away
}
