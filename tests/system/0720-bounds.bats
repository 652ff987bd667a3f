#!/usr/bin/env bats
# What one client can make chipqd keep is bounded, and no client can use up another's share.
bats_require_minimum_version 1.5.0
load pool.bash

setup() {
    RAW=${CHIPQ_BUILD:-$CHIPQ_BIN/..}/tests/raw-client
    [ -x "$RAW" ] || skip "raw-client is not built"
}

teardown() {
    pool_down
}

watches() { # watches KEY JOB N
    "$RAW" "$1" - watch "$2" "$3"
}

# bats test_tags=P12
@test "watches of clients that went away lock nobody out" {
    pool_up
    user=$CHIPQ_DIR/keys/user.key
    job=$(chipq submit --hold -- true)
    [ "$(watches "$user" "$job" 100)" = "100 answered, 0 ended: " ]
    run -0 watches "$user" "$job" 130 # 100 take the places of the dead, 30 those of their own
    [[ $output =~ ^1[0-3][0-9]\ answered,\ 30\ ended:\ another\ watch\ of\ yours\ took\ its\ place$ ]]
    chipq wait "$job" 3>&- &
    waiting=$!
    chipq release "$job"
    wait "$waiting"
    run -0 chipq submit --wait -- true
}

# bats test_tags=P12
@test "a watch that is asked for twice is one watch" {
    pool_up
    user=$CHIPQ_DIR/keys/user.key
    job=$(chipq submit --hold -- true)
    [ "$("$RAW" "$user" - again "$job" 150)" = "150 answered, 0 ended: " ]
    [ "$(watches "$user" "$job" 99)" = "99 answered, 0 ended: " ]
}

# bats test_tags=P13
@test "a wait that lost its place takes it again" {
    pool_up
    job=$(chipq submit --hold -- true)
    "$RAW" "$CHIPQ_DIR/keys/user.key" - duel "$job" 100 >"$CHIPQ_DIR/duel" 3>&- &
    rival=$!
    chipq wait "$job" 3>&- & # whoever comes first gives way to the other
    waiting=$!
    wait "$rival"
    [[ $(cat "$CHIPQ_DIR/duel") == "200 answered, 10"[01]" ended: another watch of yours took its place" ]]
    chipq release "$job"
    wait "$waiting"
}

# bats test_tags=P12
@test "eleven users cannot use up everyone's watches" {
    pool_up
    admin=$CHIPQ_DIR/keys/admin.key
    for i in $(seq 1 11); do
        key=$(pool_as "acme/user$i" designer)
        [ "$i" -gt 1 ] || job=$(chipq --key "$key" submit --hold -- true)
        [[ $(watches "$key" "$job" 100) == "100 answered, "* ]]
    done
    late=$(pool_as acme/late designer)
    [ "$(watches "$late" "$job" 20)" = "20 answered, 0 ended: " ]
    chipq --key "$late" wait "$job" 3>&- &
    waiting=$!
    chipq --key "$CHIPQ_DIR/acme-user1.key" release "$job"
    wait "$waiting"
    run -0 chipq --key "$admin" status
}

# bats test_tags=P12
@test "questions while the disk stands still are refused before memory runs out" {
    pool_dir
    chipqd --init
    chipqd --list-failpoints | grep -qx store.batch.before_commit || skip "failpoints are not compiled in"
    mkfifo "$CHIPQ_DIR/ready"
    CQ_FAILPOINTS='store.batch.before_commit=delay(60000)@5' chipqd --ready-fd 7 7>"$CHIPQ_DIR/ready" \
        2>"$CHIPQ_DIR/log/chipqd.log" 3>&- &
    daemon=$!
    read -r _ <"$CHIPQ_DIR/ready"
    for i in 1 2 3 4 5 6; do # the last of them meets the disk that stands still
        timeout 2 "$RAW" "$CHIPQ_DIR/keys/user.key" - submit "s$i" job || break
    done
    run -0 "$RAW" "$CHIPQ_DIR/keys/user.key" - behind 2000000
    [ "$output" = "the scheduler is behind; try again" ]
    rss_kib=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$daemon/status")
    [ "$rss_kib" -lt 400000 ]
    kill -9 "$daemon"
}

@test "memory of jobs that have ended goes back to the kernel" {
    pool_up
    [ -x "$CHIPQ_BIN/chipq-bench" ] || skip "chipq-bench is not built"
    run -0 chipq-bench throughput --array --jobs 12000 --no-raw
    chipq submit --wait -- true
    grep -q 'memory.trim records=' "$CHIPQ_DIR/log/chipqd.log"
    rss_kib=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(pool_pid chipqd)/status")
    [ "$rss_kib" -lt 80000 ] # SQLite may keep a page cache of 64 MiB
}
