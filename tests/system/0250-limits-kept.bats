#!/usr/bin/env bats
# What a job was promised is all it gets, its neighbours never notice, and its end tells the truth.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_up
    LIMITS=$(chipq nodes --json | json nodes.0.features | json_word limits)
    export LIMITS
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

setup() {
    T=$(mktemp -d)
    mkfifo "$T/go" "$T/said"
}

teardown() {
    rm -rf "$T"
}

# json_word NAME: the value of NAME=... in a JSON list of texts.
json_word() {
    python3 -c 'import json,sys
print(next((w[len(sys.argv[1]) + 1:] for w in json.load(sys.stdin) if w.startswith(sys.argv[1] + "=")), ""))' "$1"
}

needs() {
    [[ $LIMITS == *"$1"* ]] || skip "no $1 group may be made here"
}

# eat MIB: a program that touches that much memory.
eat() {
    printf 'import sys\nblocks = [bytearray(b"x" * 1048576) for _ in range(%d)]\n' "$1"
}

@test "a job over its memory is killed: verdict oom, limit and peak in the cause" {
    needs memory
    job=$(chipq submit --mem 64M -- python3 -c "$(eat 200)")
    run -1 chipq wait "$job" --timeout 20s
    [ "$(field "$job" verdict)" = oom ]
    [ "$(field "$job" limit)" = memory ]
    [[ $(field "$job" cause) == "memory limit 64M reached (peak 64M); it was killed; it named its --mem, so it is not tried with more" ]]
    peak=$(field "$job" peak_mem_kib)
    ((peak > 60 * 1024 && peak <= 64 * 1024))
}

@test "only a child was killed and the tool failed of it: oom all the same" {
    needs memory
    job=$(chipq submit --mem 64M -- sh -c 'python3 -c "$1" || { echo child killed; exit 1; }' sh "$(eat 200)")
    run -1 chipq wait "$job" --timeout 20s
    [ "$(field "$job" verdict)" = oom ]
    [ "$(field "$job" exit_code)" = 1 ]
    [[ $(field "$job" cause) == "memory limit 64M reached (peak 64M); a process of it was killed; "* ]]
    run -0 chipq logs "$job"
    [[ $output == *"child killed" ]]
}

@test "a child was killed and the job passed: it keeps its pass, the cause says it" {
    needs memory
    job=$(chipq submit --mem 64M -- sh -c 'python3 -c "$1"; exit 0' sh "$(eat 200)")
    run -0 chipq wait "$job" --timeout 20s
    [ "$(field "$job" verdict)" = pass ]
    [[ $(field "$job" cause) == "memory limit 64M reached"* ]]
}

@test "exit 137 and signal 9 are no oom when nobody ran out of memory" {
    job=$(chipq submit --mem 64M -- sh -c 'exit 137')
    run -1 chipq wait "$job" --timeout 20s
    [ "$(field "$job" verdict)" = fail ]
    [ -z "$(field "$job" limit)" ]
    job=$(chipq submit --mem 64M -- sh -c 'kill -9 $$')
    run -1 chipq wait "$job" --timeout 20s
    [ "$(field "$job" verdict)" = fail ]
    [ "$(field "$job" signal)" = 9 ]
}

@test "a task's oom is its own: the next one in the lease starts clean" {
    needs memory
    job=$(chipq submit --mem 64M --array 1-4%1 -- sh -c \
        'if [ "$CHIPQ_TASK" = 2 ]; then exec python3 -c "$1"; fi' sh "$(eat 200)")
    run -1 chipq wait "$job" --timeout 20s
    run -0 chipq job "$job[1-4]" --json
    verdicts=$(python3 -c 'import json,sys
print(*[t["verdict"] for t in json.load(sys.stdin)["task_list"]])' <<<"$output")
    [ "$verdicts" = "pass oom pass pass" ]
}

# bats test_tags=P12
@test "a neighbour of a hog goes on undisturbed" {
    needs memory
    job=$(chipq submit --mem 256M -- sh -c 'python3 -c "$1
open(sys.argv[1], \"w\").write(\"up\n\")
open(sys.argv[2]).read()" "$2/said" "$2/go"' sh "$(eat 100)" "$T")
    [ "$(heard "$T/said")" = up ]
    hog=$(chipq submit --mem 64M -- python3 -c "$(eat 300)")
    run -1 chipq wait "$hog" --timeout 20s
    [ "$(field "$hog" verdict)" = oom ]
    tell "$T/go" go
    run -0 chipq wait "$job" --timeout 20s
    peak=$(field "$job" peak_mem_kib)
    ((peak > 100 * 1024 && peak < 200 * 1024))
}

@test "figures of a job, and of one that was killed: memory, time, disk" {
    script='import os, sys
block = bytearray(b"x" * (80 << 20))
end = os.times().elapsed + 0.3
while os.times().elapsed < end: pass
with open(sys.argv[1], "wb", 0) as f:
    f.write(block[:8 << 20])
    os.fsync(f.fileno())
os.wait() if os.fork() else os.execvp("true", ["true"])
print("counted", flush=True)
if len(sys.argv) > 2:
    open(sys.argv[2], "w").write("up\n")
    open(sys.argv[3]).read()'
    check() {
        cpu=$(($(field "$1" cpu_user_us) + $(field "$1" cpu_system_us)))
        ((cpu >= 250000 && cpu < 5000000))
        (($(field "$1" peak_mem_kib) > 81920 && $(field "$1" peak_mem_kib) <= 262144))
        (($(field "$1" max_rss_kib) > 81920))
        (($(field "$1" switches) > 0))
        # Where the directory is on a disk at all.
        [ "$(stat -f -c %T "$T")" = tmpfs ] || (($(field "$1" io_write_bytes) >= 8 << 20))
    }
    job=$(chipq submit --mem 256M -- python3 -c "$script" "$T/file")
    run -0 chipq wait "$job" --timeout 20s
    check "$job"
    run -0 chipq job "$job"
    [[ $output == *"peak memory"*" of 256M"* ]]
    job=$(chipq submit --mem 256M --grace 100ms -- python3 -c "$script" "$T/file" "$T/said" "$T/go")
    [ "$(heard "$T/said")" = up ]
    run -0 chipq cancel "$job"
    run -1 chipq wait "$job" --timeout 20s
    [ "$(field "$job" verdict)" = killed ]
    check "$job"
    [ "$(chipq logs "$job")" = counted ]
}

# bats test_tags=P9
@test "processes without end: the limit holds, is told, and nothing stays" {
    needs pids
    cat >"$T/many.py" <<'PY'
import sys, threading
hold = threading.Lock()
hold.acquire()
threading.stack_size(65536)
try:
    for i in range(6000):
        threading.Thread(target=hold.acquire, daemon=True).start()
except RuntimeError as e:
    sys.exit(3)
PY
    job=$(chipq submit --mem 1G -- python3 "$T/many.py")
    run -1 chipq wait "$job" --timeout 60s
    [ "$(field "$job" limit)" = pids ]
    [ "$(field "$job" verdict)" = error ]
    [ "$(field "$job" exit_code)" = 3 ]
    [[ $(field "$job" cause) == "limit of 4096 processes and threads reached" ]]
}

# bats test_tags=P9
@test "a fork bomb: its limits hold it, its end takes all of it along" {
    exec 8<>"$T/said"
    job=$(chipq submit --mem 256M --time 2s --grace 100ms -- sh -c \
        'exec 7>"$1"; b() { b | b & }; echo up >&7; b; while :; do sleep 1000; done' sh "$T/said")
    IFS= read -r -t 20 line <&8
    [ "$line" = up ]
    exec 9<"$T/said" 8<&-
    timeout 20 cat <&9
    exec 9<&-
    run -1 chipq wait "$job" --timeout 20s
    [[ $(field "$job" verdict) == @(timeout|oom|error) ]]
    run -0 chipq submit --wait -- true
}

# own_pool [environment of chipq up]: a second pool, in $CHIPQ_DIR.
own_pool() {
    export CHIPQ_DIR
    CHIPQ_DIR=$(mktemp -d "${TMPDIR:-/tmp}/cq.XXXXXX")
    "$@" chipq up --cores 2 --mem 1G >&2
}

# group_dirs: the groups of the pool in $CHIPQ_DIR, one a line.
group_dirs() {
    local tag places
    tag=$(python3 -c 'import os,sys
s = os.stat(sys.argv[1])
print("%x-%x" % (s.st_dev, s.st_ino))' "$CHIPQ_DIR/run/leases")
    mapfile -t places <"$CHIPQ_DIR/run/groups"
    find "${places[@]}" -maxdepth 1 -name "chipq-$tag-slot-*" | sort -u
}

@test "groups are used again, and none is left when the pool is down" {
    [ "$LIMITS" != none ] || skip "no control group may be made here"
    own_pool env
    run -0 chipq submit --wait -- true
    run -0 group_dirs
    first=$output
    [ -n "$first" ]
    run -0 chipq submit --wait -- true
    run -0 group_dirs
    [ "$output" = "$first" ]
    # execd dies without a word; the next one sweeps.
    execd=$(pool_pid execd)
    kill -9 "$execd"
    wait_gone "$execd"
    run -0 group_dirs
    [ "$output" = "$first" ]
    chipq down >&2
    chipq up --cores 2 --mem 1G >&2
    run -0 chipq submit --wait -- true
    run -0 chipq down
    run -0 group_dirs
    [ -z "$output" ]
    rm -rf "$CHIPQ_DIR"
}

@test "without control groups: each process is held, the log and doctor say what is lost" {
    own_pool env CHIPQ_LIMITS=none
    grep -q 'execd.limits have="none"' "$CHIPQ_DIR/log/worker.log"
    run -1 chipq submit --wait --mem 64M -- python3 -c "$(eat 200)"
    run -0 chipq logs 1
    [[ $output == *MemoryError* ]]
    run -0 chipq doctor --json
    [[ $output == *"memory is limited for each process"* ]]
    run -0 chipq down
    rm -rf "$CHIPQ_DIR"
}

# bats test_tags=P11
@test "a job that fills the disk under its directory fails alone; the pool goes on" {
    [ "$(id -u)" = 0 ] || skip "needs root, for a small file system"
    own_pool env
    run -0 chipq down
    unshare -m sh -c 'mount -t tmpfs -o size=8M small "$CHIPQ_DIR/run/leases" && exec "$@"' sh \
        chipq up --cores 2 --mem 1G >&2
    job=$(chipq submit --array 1-2 -- sh -c '[ "$CHIPQ_TASK" = 2 ] || head -c 64M /dev/zero >"$TMPDIR/fill"')
    run -1 chipq wait "$job" --timeout 20s
    [ "$(field "$job[1]" task_list.0.verdict)" = fail ]
    [ "$(field "$job[2]" task_list.0.verdict)" = pass ]
    run -0 chipq logs "$job[1]"
    [[ $output == *"No space left on device"* ]]
    run -0 chipq submit --wait -- true
    run -0 chipq down
    rm -rf "$CHIPQ_DIR"
}

@test "a tree that is read-only or not there: jobs run, what is lost is said once" {
    if [ "$(id -u)" != 0 ] || [[ $LIMITS != v1:memory+pids* ]]; then
        skip "needs root and cgroup v1"
    fi
    own_pool unshare -m sh -c 'mount -o remount,bind,ro /sys/fs/cgroup/memory && umount /sys/fs/cgroup/pids && exec "$@"' sh
    run -0 chipq submit --wait --mem 64M -- true
    [ "$(grep -c 'execd.limits lost=' "$CHIPQ_DIR/log/worker.log")" = 1 ]
    grep 'execd.limits lost="memory: /.*: Read-only file system; pids: No such device"' "$CHIPQ_DIR/log/worker.log"
    run -0 chipq doctor --json
    [[ $output == *"v1:cpuset+cpu"* ]]
    run -0 chipq down
    rm -rf "$CHIPQ_DIR"
}
