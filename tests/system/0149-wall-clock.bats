#!/usr/bin/env bats
# The wall clock of the whole pool goes back by a day while jobs run, and forth again: it is for people alone.
bats_require_minimum_version 1.5.0
load pool.bash

setup() {
    SHIM=${CHIPQ_BUILD:-$CHIPQ_BIN/..}/tests/wall-clock.so
    [ -e "$SHIM" ] || skip "wall-clock.so is not built"
    ! nm -D "$CHIPQ_BIN/chipqd" | grep -q __asan || skip "a preloaded library and AddressSanitizer do not go together"
    pool_dir
    export CQ_TEST_WALL=$CHIPQ_DIR/wall
    move_wall 0
}

teardown() {
    pool_down
}

move_wall() { # move_wall SECONDS: from now on, for every program of the pool
    python3 -c 'import struct,sys
with open(sys.argv[1], "r+b" if len(sys.argv) > 3 else "wb") as f:
    f.write(struct.pack("=q", int(sys.argv[2]) * 1000000))' "$CQ_TEST_WALL" "$1" ${2+in-place}
}

# One that runs over the jump, one that begins and ends behind it.
jump() { # jump SECONDS
    local over after
    over=$(chipq submit --time 5m -- sh -c 'echo up >"$1/said"; read -r _ <"$1/go"; exit 3' sh "$CHIPQ_DIR")
    [ "$(heard "$CHIPQ_DIR/said")" = up ]
    move_wall "$1" in-place
    after=$(chipq submit -- true)
    run -0 timeout 30 chipq wait "$after"
    timeout 20 sh -c "echo >'$CHIPQ_DIR/go'"
    run -1 timeout 30 chipq wait "$over"
    [ "$(field "$over" exit_code)" = 3 ]
    [ "$(field "$over" attempt)" = 1 ]
    [ "$(field "$after" attempt)" = 1 ]
    run -0 chipq jobs
    run -0 chipq usage
}

@test "a day back and forth: jobs run on, new ones start, a restart takes it as it is" {
    mkfifo "$CHIPQ_DIR/said" "$CHIPQ_DIR/go"
    echo 'heartbeat = 200ms' >"$CHIPQ_DIR/chipq.conf"
    LD_PRELOAD=$SHIM pool_up
    before=$(tail -n 1 "$CHIPQ_DIR/log/chipqd.log" | cut -c1-10)
    jump -86400
    pid=$(pool_pid chipqd)
    kill -9 "$pid"
    wait_gone "$pid"
    LD_PRELOAD=$SHIM pool_up
    [ "$(tail -n 1 "$CHIPQ_DIR/log/chipqd.log" | cut -c1-10)" != "$before" ] # it did go back
    jump 86400
    run -0 chipq admin audit --verify
    [ "$(chipq nodes --json | json nodes.0.state)" = up ]
}
