#!/usr/bin/env bats
# A tenant with a valid key, and a job, that mean harm: the pool goes on for everybody else.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_up
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

@test "a dependency with an ugly name does not spoil the list of jobs" {
    ugly=$(printf '\001%.0s' $(seq 250))
    first=$(chipq submit --name "$ugly" -- false)
    second=$(chipq submit --after "ok:$first" -- true)
    run chipq wait "$second"
    [ "$status" -eq 1 ]
    run -0 chipq jobs
    run -0 chipq job "$second" --json
}

@test "a pipe in place of the output does not stop the machine's agent" {
    cat >"$CHIPQ_DIR/fifo" <<'END'
#!/bin/bash
mkfifo "$1.pipe"
mv "$1.pipe" "$(readlink /proc/self/fd/2)"
echo placed >"$1"
exec sleep 60
END
    chmod +x "$CHIPQ_DIR/fifo"
    mkfifo "$CHIPQ_DIR/placed"
    job=$(chipq submit -- "$CHIPQ_DIR/fifo" "$CHIPQ_DIR/placed")
    run -0 timeout 20 cat "$CHIPQ_DIR/placed"
    run timeout 20 chipq logs "$job"
    [[ $output == *"not a regular file"* ]]
    run -0 timeout 20 chipq submit --wait -- true
    run -0 chipq cancel "$job"
}

@test "a revoked reader gets no more of an output it was following" {
    key=$(pool_as acme/ann designer)
    mkfifo "$CHIPQ_DIR/go" "$CHIPQ_DIR/followed"
    job=$(CHIPQ_KEY=$key chipq submit -- bash -c "echo first; read -r x <'$CHIPQ_DIR/go'; echo second")
    CHIPQ_KEY=$key timeout 8 chipq logs -f "$job" >"$CHIPQ_DIR/followed" 2>&1 3>&- &
    exec 5<"$CHIPQ_DIR/followed"
    read -r -t 20 line <&5
    [ "$line" = first ]
    chipq --key "$CHIPQ_DIR/keys/admin.key" admin user revoke acme/ann
    timeout 20 bash -c "echo go >'$CHIPQ_DIR/go'"
    run ! grep second <&5
    exec 5<&-
}
