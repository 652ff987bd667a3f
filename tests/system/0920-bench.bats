#!/usr/bin/env bats
# chipq-bench against a real pool: each measurement gives its figures, and the jobs it counts did run.

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
