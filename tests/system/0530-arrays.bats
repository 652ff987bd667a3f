#!/usr/bin/env bats
# Cores, arrays and dependencies: who runs where, how many at once, after whom.
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
    mkfifo "$T/said" "$T/go"
}

teardown() {
    rm -rf "$T"
}

@test "a job may use exactly the cores it was granted" {
    for cores in 1 2; do
        job=$(chipq submit --cores "$cores" -- grep Cpus_allowed_list /proc/self/status)
        run -0 chipq logs -f "$job"
        [ "$(cut -f 2 <<<"$output")" = "$(field "$job" task_list.0.cores)" ]
        job=$(chipq submit --cores "$cores" -- nproc)
        [ "$(chipq logs -f "$job")" = "$cores" ]
    done
}

@test "every process of a job is held to its cores, and none gets out" {
    script='show() { grep Cpus_allowed_list /proc/self/status; }
show; (show); sh -c "grep Cpus_allowed_list /proc/self/status"; (setsid grep Cpus_allowed_list /proc/self/status & wait)
taskset -pc 0-4095 $$ >/dev/null 2>&1; show'
    job=$(chipq submit -- sh -c "$script")
    run -0 chipq logs -f "$job"
    cores=$(field "$job" task_list.0.cores)
    [ "${#lines[@]}" = 5 ]
    for line in "${lines[@]:0:4}"; do
        [ "${line#*:$'\t'}" = "$cores" ]
    done
    # What it sets itself, only a control group can refuse.
    [[ $(chipq nodes --json) == *cpuset* ]] || return 0
    [ "${lines[4]#*:$'\t'}" = "$cores" ]
}

@test "memory is bound as the job wishes" {
    [ -r /proc/self/numa_maps ] || skip "a kernel without NUMA"
    for wish in "local prefer" "interleave interleave" "none default"; do
        run -0 chipq submit --wait --membind "${wish% *}" -- grep -q "${wish#* }" /proc/self/numa_maps
    done
}

@test "two jobs at once never share a core" {
    script='grep Cpus_allowed_list /proc/self/status | cut -f 2 >"$1"; read -r _ <"$2"'
    exec 8<>"$T/said"
    mkfifo "$T/go2"
    a=$(chipq submit -- sh -c "$script" sh "$T/said" "$T/go")
    b=$(chipq submit -- sh -c "$script" sh "$T/said" "$T/go2")
    third=$(chipq submit -- true)
    IFS= read -r -t 10 one <&8
    IFS= read -r -t 10 two <&8
    exec 8<&-
    [ "$(printf '%s\n' "$one" "$two" | sort | tr '\n' ' ')" = "0 1 " ]
    [ "$(field "$third" state)" = pending ]
    run -0 chipq why "$third"
    tell "$T/go" ""
    run -0 chipq wait "$a" "$third" --timeout 10s
    echo >"$T/go2"
    run -0 chipq wait "$b" --timeout 10s
}

@test "memory is counted: two jobs that ask too much together run one after the other" {
    a=$(chipq submit --mem 1500M -- sh -c 'echo up >"$1"; read -r _ <"$2"' sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = up ]
    b=$(chipq submit --mem 1500M -- true)
    run -0 chipq why "$b"
    [[ $output == *memory* || $output == *MiB* || $output == *"1500M"* ]]
    [ "$(field "$b" state)" = pending ]
    tell "$T/go" ""
    run -0 chipq wait "$a" "$b" --timeout 20s
}

@test "an array of 1000 tasks is quick, every task runs once with its own number" {
    from=${EPOCHREALTIME/[.,]/}
    job=$(chipq submit --array 1-1000 -- sh -c 'echo "$CHIPQ_TASK" >>"$1"' sh "$T/ran")
    run -0 chipq wait "$job" --timeout 60s
    took=$((${EPOCHREALTIME/[.,]/} - from))
    sort -n "$T/ran" | cmp - <(seq 1 1000)
    [ "$(field "$job" tasks_passed)" = 1000 ]
    [ "$(field "$job" passed_tasks)" = 1-1000 ]
    run -0 chipq job "$job[499-501]" --json
    [ "$(json task_list.2.task <<<"$output")" = 501 ]
    [ -n "$(json task_list.2.node <<<"$output")" ] && [ -n "$(json task_list.2.cores <<<"$output")" ]
    [ "$(json task_list.2.run_us <<<"$output")" -gt 0 ] && [ "$(json task_list.2.cpu_user_us <<<"$output")" -ge 0 ]
    [ "$(json task_list.2.mem_mib <<<"$output")" -gt 0 ]
    run -0 chipq job "$job[500]"
    [[ $output == *$'\ntask         500\nstate        done\nverdict      pass\n'*"where        $(hostname): core "* ]]
    [[ $output == *$'\nCPU time     '*" user, "*" system)"*$'\ndisk         '*" read, "*" written"*$'\nswitches     '*" forced"*$'\nended by     exit 0\n'* ]]
    echo "# 1000 tasks in $((took / 1000)) ms" >&3
    nm -D "$(command -v chipqd)" | grep -q __asan || ((took < 15000000))
}

@test "an array's %limit holds, and it uses what it may" {
    chipq submit --array 1-40%1 --wait -- sh -c \
        'mkdir "$1/alone" || exit 9; echo x >>"$1/ran"; rmdir "$1/alone"' sh "$T"
    [ "$(wc -l <"$T/ran")" = 40 ]
    # Without a limit two do run at once: each waits for the other.
    mkfifo "$T/meet"
    run -0 chipq submit --wait --time 10s --array 1-2 -- sh -c \
        'if [ "$CHIPQ_TASK" = 1 ]; then read -r _ <"$1"; else echo >"$1"; fi' sh "$T/meet"
}

@test "an array with holes and an empty or absurd one" {
    job=$(chipq submit --array 3,7-9,20 -- sh -c 'echo "$CHIPQ_TASK" >>"$1"' sh "$T/ran")
    run -0 chipq wait "$job"
    [ "$(sort -n "$T/ran" | tr '\n' ' ')" = "3 7 8 9 20 " ]
    run -2 chipq submit --array 9-3 -- true
    run -2 chipq submit --array '' -- true
    run -2 chipq submit --array 1-99999999999 -- true
    run -2 chipq submit --array 1-5%0 -- true
}

@test "aftercorr: task n starts when task n of the other array has passed, not the whole" {
    a=$(chipq submit --array 1-3 -- sh -c 'case $CHIPQ_TASK in 2) exit 1 ;; 3) read -r _ <"$1" ;; esac' sh "$T/go")
    b=$(chipq submit --array 1-3 --after "aftercorr:$a" -- sh -c 'echo "$CHIPQ_TASK" >"$1"' sh "$T/said")
    [ "$(heard "$T/said")" = 1 ] # while a[3] still runs
    [ "$(field "$a" tasks_running)" = 1 ]
    tell "$T/go" ""
    [ "$(heard "$T/said")" = 3 ]
    run -1 chipq wait "$b" --timeout 10s
    run -0 chipq job "$b" --json
    [ "$(json passed_tasks <<<"$output")" = 1,3 ]
    c=$(chipq submit --array 1-3 --after "aftercorr:$a" -- true) # a is over: the same counts
    run -1 chipq wait "$c" --timeout 10s
    [ "$(field "$c" passed_tasks)" = 1,3 ]
    run -2 chipq submit --array 1-4 --after "aftercorr:$a" -- true
    [[ $output == *"the same task numbers"* ]]
}

@test "dependencies: ok, any, notok after a pass, a failure, a cancel" {
    for how in pass fail cancel; do
        case $how in
        pass) a=$(chipq submit --hold -- true) ;;
        fail) a=$(chipq submit --hold -- false) ;;
        cancel) a=$(chipq submit --hold -- true) ;;
        esac
        ok=$(chipq submit --after "ok:$a" -- true)
        any=$(chipq submit --after "any:$a" -- true)
        notok=$(chipq submit --after "notok:$a" -- true)
        if [ $how = cancel ]; then chipq cancel "$a"; else chipq release "$a"; fi
        run chipq wait "$ok" "$any" "$notok" --timeout 20s
        states=$(field "$ok" verdict)$(field "$any" verdict)$(field "$notok" verdict)
        if [ $how = pass ]; then
            [ "$states" = passpasskilled ] || [ "$states" = passpass ]
        else
            [ "$states" = killedpasspass ] || [ "$states" = passpass ]
            [ "$(field "$ok" state)" != done ]
        fi
    done
}

@test "a failure cascades: the whole chain behind it ends, each saying why, none of it started" {
    first=$(chipq submit --hold -- false)
    last=$first
    chain=()
    for _ in {1..20}; do
        last=$(chipq submit --after "ok:$last" -- touch "$T/ran")
        chain+=("$last")
    done
    anyway=$(chipq submit --after "any:$last" -- true)
    chipq release "$first"
    run -1 chipq wait "${chain[@]}" "$anyway" --timeout 20s
    [ ! -e "$T/ran" ]
    run -0 chipq wait "$anyway"
    for job in "${chain[@]}"; do
        [[ $(field "$job" reason) == *dependency* ]]
    done
}

@test "a dependency on what is not there, on another's job, on itself" {
    run -3 chipq submit --after ok:999999 -- true
    [[ $output == *999999* ]]
    key=$(pool_as elsewhere/eve designer)
    theirs=$(chipq --key "$key" submit --hold -- true)
    run chipq submit --after "ok:elsewhere/$theirs" -- true
    [ "$status" -ne 0 ]
    run -2 chipq submit --after "okay:1" -- true
}

@test "why names what a waiting job waits for: hold, dependency, array limit, turn" {
    block=$(chipq submit --cores 2 -- sh -c 'echo up >"$1"; read -r _ <"$2"' sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = up ]
    behind=$(chipq submit --after "ok:$block" -- true)
    next=$(chipq submit -- true)
    impossible=$(chipq submit --node-has tool=nonesuch -- true)
    run -0 chipq why "$behind"
    [[ $output == *"$block"* ]]
    run -0 chipq why "$next"
    [[ $output == *"core"* || $output == *"first"* ]]
    run -0 chipq why "$impossible"
    [[ $output == *nonesuch* ]]
    run -0 chipq why "$impossible" --json
    python3 -m json.tool <<<"$output" >/dev/null
    chipq cancel "$impossible"
    tell "$T/go" ""
    run -0 chipq wait "$block" "$behind" "$next" --timeout 20s
}

@test "why of one task: where it runs, how it ended, why it waits; a task that is not there is an error" {
    job=$(chipq submit --array 1-3%1 -- sh -c 'case $CHIPQ_TASK in 1) exit 3 ;; 2) echo up >"$1"; read -r _ <"$2" ;; esac' \
        sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = up ]
    run -0 chipq why "$job[1]"
    [[ $output == "task 1 of job $job ("*") has ended: fail"*"attempt 1 ran on "*", from "*" to "*": exit 3"*log* ]]
    for _ in $(seq 100); do # the scheduler hears of it
        [[ $(chipq job "$job" --json) == *'"state": "running",'*'"state": "running",'* ]] && break
    done
    run -0 chipq why "$job[2]"
    [[ $output == "task 2 of job $job ("*") is running"*"attempt 1 runs on "*", since "* ]]
    [[ $output != *"asked for at most"* ]]
    run -0 chipq why "$job[3]"
    [[ $output == "task 3 of job $job ("*") is pending"*"at most 1 at once"*"expected start: "* ]]
    [[ $output != *"before it"* ]]
    run -0 chipq why "$job[2]" --json
    [ "$(json task.state <<<"$output")$(json reasons <<<"$output")" = "running[]" ]
    run -0 chipq why "$job[3]" --json
    [ "$(json task.state <<<"$output")$(json reasons.0.code <<<"$output")" = pendingWAIT_ARRAY_LIMIT ]
    for none in "$job[0]" "$job[4]"; do
        run ! chipq why "$none"
        [[ $output == *"job $job has no task"* ]]
    done
    run -2 chipq why "$job[1-2]"
    behind=$(chipq submit --array 1-5 --after "$job" -- true)
    run -0 chipq why "$behind[4]" --json
    [ "$(json reasons.0.code <<<"$output")$(json reasons.0.tasks <<<"$output")" = WAIT_DEPENDENCY1 ]
    run -0 chipq why "$behind" --json
    [ "$(json reasons.0.tasks <<<"$output")" = 5 ]
    chipq cancel "$behind"
    chipq cancel "$job[3]"
    run -0 chipq why "$job[3]"
    [[ $output == *"was killed"* || $output == *"has ended: killed"* ]]
    tell "$T/go" ""
    run chipq wait "$job" --timeout 20s
}

@test "why of one task: behind how many of its array it starts, and when, after its first attempt too" {
    # shellcheck disable=SC2016
    job=$(chipq submit --array 1-9%1 -- sh -c 'echo up >"$1"; read -r _ <"$2"' sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = up ]
    run -0 chipq why "$job[4]"
    [[ $output == "task 4 of job $job ("*"is pending"*"2 tasks of its job start before it"*"expected start: "*"between"* ]]
    run -0 chipq why "$job[3]" --json
    third=$(json expect_to_us <<<"$output")
    run -0 chipq why "$job[9]" --json
    [ "$(json expect_to_us <<<"$output")" -gt "$third" ]
    chipq requeue "$job[1]"
    [ "$(heard "$T/said")" = up ]
    run -0 chipq why "$job[1]"
    [[ $output == "task 1 of job $job ("*"attempt 1 ran on "*", from "*" to "*": "*"attempt 2 "*" on "* ]]
    run -0 chipq why "$job[1]" --json
    [ "$(json task.earlier.0.attempt <<<"$output")" = 1 ]
    chipq cancel "$job"
}

@test "drain: what runs goes on, nothing new starts; resume: it starts" {
    node=$(chipq nodes --json | json nodes.0.name)
    runs=$(chipq submit -- sh -c 'echo up >"$1"; read -r _ <"$2"' sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = up ]
    run -0 chipq node drain "$node" --reason "a new disk"
    [ "$(chipq nodes --json | json nodes.0.drain_why)" = "a new disk" ]
    [ "$(chipq submit -- true)" -gt 0 ]
    waits=$(chipq submit -- true)
    tell "$T/go" ""
    run -0 chipq wait "$runs" --timeout 10s
    run -6 chipq wait "$waits" --timeout 200ms
    run -0 chipq why "$waits"
    [[ ${lines[1]} == *"$node is drained (a new disk); no other machine can run it" ]]
    [[ $output == *"chipq node resume $node"* && $output != *"comes first"* ]]
    run -2 chipq node resume "$node" --reason over
    run -0 chipq node resume "$node"
    run -0 chipq wait "$waits" --timeout 10s
}

@test "cancel tells as running what runs, not what waits on a machine for its turn" {
    # shellcheck disable=SC2016
    a=$(chipq submit --array 1-60 -- sh -c '[ "$CHIPQ_TASK" -le 30 ] || { echo up >"$1"; read -r _ <"$2"; }' sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = up ]
    for _ in $(seq 100); do # the scheduler hears of it
        [[ $(chipq job "$a" --json) == *'"state": "running",'*'"state": "running",'* ]] && break
    done
    [ "$(field "$a" tasks_running)" -gt 2 ] # those that were sent ahead
    run -0 --separate-stderr chipq cancel "$a"
    [[ $stderr =~ "cancelled; "[12]" running task" ]]
}

@test "100 jobs from four shells, one submit each, all run" {
    seq 100 | xargs -P 4 -I{} chipq submit --project flood --name j{} -- true >"$T/numbers"
    [ "$(sort -u "$T/numbers" | wc -l)" = 100 ]
    # shellcheck disable=SC2046
    run -0 chipq wait $(cat "$T/numbers") --timeout 60s
}

# How many jobs of this pool ended badly so far.
ended_badly() {
    local state
    for state in failed lost killed; do
        chipq jobs --state "$state" --limit 1000 --json | json jobs
    done | grep -o '"number"' | wc -l
}

@test "2,500 separate jobs share leases, more than one lease may hear of, and each runs as itself" {
    before=$(ended_badly)
    run -0 chipq-bench throughput --jobs 2500 --json
    [ "$(ended_badly)" = "$before" ]
    newest=$(chipq jobs --limit 1 --json | json jobs.0.number)
    [ "$(chipq job "$newest" --json | json verdict)" = pass ]
}
