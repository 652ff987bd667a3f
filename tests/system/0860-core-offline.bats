#!/usr/bin/env bats
# A core that the system takes offline under running jobs, and that comes back. It is really taken: for a second or two
# this machine has one processor less. Whatever happens, it is brought back: by teardown, and by a guard that outlives bats.

# alone: for a while the machine has one processor less
bats_require_minimum_version 1.5.0
load pool.bash

switch=/sys/devices/system/cpu/cpu1/online

setup_file() {
    [ -w "$switch" ] || skip "no core can be taken offline here"
    [ "$(cat /sys/devices/system/cpu/online)" = 0-1 ] || skip "not a machine of two processors"
    ! cmp -s /sys/devices/system/cpu/cpu[01]/topology/core_cpus_list || skip "its processors are one core"
    setsid bash -c "tail --pid=$$ -f /dev/null; echo 1 >$switch" >/dev/null 2>&1 3>&- &
    pool_up
}

teardown_file() {
    pool_down
}

setup() {
    T=$(mktemp -d)
    jobs=()
}

teardown() {
    echo 1 >"$switch" || true
    [ ${#jobs[@]} -eq 0 ] || chipq cancel "${jobs[@]}" >/dev/null 2>&1 || true
    [ ${#jobs[@]} -eq 0 ] || chipq wait "${jobs[@]}" >/dev/null 2>&1 || true
    rm -rf "$T"
}

# logged PATTERN: returns when chipqd has logged it after the line of number $mark; $mark is then behind it.
logged() {
    local line fd pid
    exec {fd}< <(exec tail -n "+$((mark + 1))" -F "$CHIPQ_DIR/log/chipqd.log" 2>/dev/null 3>&-)
    pid=$!
    while IFS= read -r -t 10 -u "$fd" line; do
        mark=$((mark + 1))
        [[ $line != *$1* ]] || break
    done
    exec {fd}<&-
    kill "$pid" 2>/dev/null || true
    [[ $line == *$1* ]]
}

# turned 0|1 CORES: takes core 1 away or gives it back; returns when chipqd knows that the worker offers those.
turned() {
    mark=$(wc -l <"$CHIPQ_DIR/log/chipqd.log")
    echo "$1" >"$switch"
    logged "worker.cores node=$(node name) cores=$2"
}

node() { # node KEY: of the only one
    chipq nodes --json | json "nodes.0.$1"
}

# held NAME SUBMIT-OPTIONS...: a job that tells its processors whenever it is asked, and ends when asked to. It runs; its
# number is $job.
held() {
    mkfifo "$T/$1.ask" "$T/$1.said"
    exec {ask_fd}<>"$T/$1.ask" {said_fd}<>"$T/$1.said"
    # shellcheck disable=SC2016
    job=$(chipq submit --name "$1" --mem 100M "${@:2}" -- sh -c 'echo up >"$2"
        while read -r word <"$1" && [ "$word" != end ]; do
            sed -n "s/Cpus_allowed_list:.//p" /proc/self/status >"$2"
        done' sh "$T/$1.ask" "$T/$1.said")
    jobs+=("$job")
    [ "$(heard "$T/$1.said")" = up ]
}

processors_of() { # processors_of NAME
    echo tell >"$T/$1.ask"
    heard "$T/$1.said"
}

# bats test_tags=P10
@test "a core goes offline and comes back: jobs go on, nobody is placed on it meanwhile" {
    held first
    first=$job
    held second
    second=$job
    [ "$(field "$first" core_ids) $(field "$second" core_ids)" = "0 1" ]
    [ "$(processors_of first) $(processors_of second)" = "0 1" ]

    turned 0 0
    [ "$(node cores) $(node cores_used) $(node offline)" = "1 1 1" ]
    run -0 chipq nodes --topology
    [[ ${lines[0]} == *": up, 1 of 1 cores and "*", 1 offline" ]]
    [[ $output == *" $first  off"* ]]
    [ "$(field "$first" state) $(field "$second" state)" = "running running" ]
    run -0 chipq job "$second"
    [[ $output == *"where "*": core 1 (numa 0), all offline"* ]]
    [ "$(field "$first" offline)" = "" ]
    [ "$(processors_of first)" = 0 ]
    [ -n "$(processors_of second)" ] # it goes on, wherever the kernel lets it

    held_back=$(chipq submit --mem 100M -- grep Cpus_allowed_list /proc/self/status)
    jobs+=("$held_back")
    [ "$(field "$held_back" state)" = pending ]
    echo end >"$T/first.ask"
    chipq wait "$first" "$held_back"
    [ "$(field "$held_back" core_ids)" = 0 ]

    turned 1 0-1
    [ "$(node cores) $(node offline)" = "2 " ]
    [ "$(processors_of second)" = 1 ] # it has its own again
    [ "$(field "$second" offline)" = "" ]
    echo end >"$T/second.ask"
    chipq wait "$second"
    held third
    held fourth
    [ "$(field "$job" core_ids)" = 1 ]
    [ "$(processors_of third) $(processors_of fourth)" = "0 1" ]
}

@test "a job on both cores goes on with the one that is left, and has both again" {
    held wide --cores 2
    [ "$(processors_of wide)" = 0-1 ]
    turned 0 0
    [ "$(processors_of wide)" = 0 ] || [[ $(chipq nodes --format features) != *cpuset* ]] # else the kernel hides it
    run -0 chipq job "$job"
    [[ $output == *": cores 0-1 (numa 0), 1 offline"* ]]
    turned 1 0-1
    [ "$(processors_of wide)" = 0-1 ]
}

@test "an agent that starts while the core is offline knows its number, and what is on it" {
    held first
    held second
    turned 0 0
    mark=$(wc -l <"$CHIPQ_DIR/log/chipqd.log")
    kill -HUP "$(pool_pid execd)" # the agent alone starts again
    logged "worker.hello node=$(node name) leases=2"
    [ "$(node cores) $(node offline)" = "1 1" ]
    [ "$(field "$job" state)" = running ]
    turned 1 0-1
    [ "$(processors_of first) $(processors_of second)" = "0 1" ]
}
