#!/usr/bin/env bats
# The deterministic simulation (docs/TESTING.md): chipqd, workers and clients in one process and in virtual time, with
# crashes, pauses, power losses and a bad network.

bats_require_minimum_version 1.5.0

setup() {
    : "${CHIPQ_ROOT:=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}"
    : "${CHIPQ_BUILD:=$CHIPQ_ROOT/build/debug}"
    simtest=$CHIPQ_BUILD/tests/chipq-simtest
    count=2000
    # An instrumented build takes several times as long; the plain one plays them all.
    grep -q '^CHIPQ_SANITIZE:[A-Z]*=..*' "$CHIPQ_BUILD/CMakeCache.txt" && count=100
    [ -z "${CHIPQ_QUICK-}" ] || count=100
}

# bats test_tags=P1,P2,P3,P4,P5,P6,P7,P8,P9,P10
@test "thousands of histories break no rule" {
    run -0 timeout 600 "$simtest" --seed 1 --seeds "$count" --quiet
    [[ $output == "seeds $count failed 0 "* ]]
}

@test "the seeds that once found a bug break no rule" {
    n=0
    while read -r seed _; do
        run -0 timeout 60 "$simtest" --seed "$seed" --quiet
        n=$((n + 1))
    done < <(grep -v '^#' "$CHIPQ_ROOT/tests/simtest/seeds")
    [ "$n" -ge 4 ]
}

@test "the same seed gives the same history, another seed another one" {
    run -0 "$simtest" --seed 7 --seeds 5
    first=$output
    run -0 "$simtest" --seed 7 --seeds 5
    [ "$output" = "$first" ]
    one=$("$simtest" --seed 9 | sed -n 's/^seed 9 hash \([0-9a-f]*\).*/\1/p')
    [ "$one" = "$(sed -n 's/^seed 9 hash \([0-9a-f]*\).*/\1/p' <<<"$first")" ] # whatever was played before
    [ "$(sed -n 's/^seed [0-9]* hash \([0-9a-f]*\).*/\1/p' <<<"$first" | sort -u | wc -l)" = 5 ]
}

@test "what is broken on purpose is found out, by the rule that it breaks" {
    n=0
    while read -r name rule _; do
        run -0 timeout 120 "$simtest" --break "$name" --seed 1 --seeds 100 --until-found --quiet
        [[ $output == *"by rule $rule"* ]]
        n=$((n + 1))
    done < <("$simtest" --list-breaks)
    [ "$n" -ge 15 ]
}

@test "a failure tells the seed, the rule, the last events, and how to see it again" {
    run -1 "$simtest" --break double-start --seed 1 --seeds 20 --as-if-whole
    [[ $output =~ seed\ ([0-9]+)\ breaks\ rule\ R6\ after ]]
    [[ $output == *"job.start"* ]]
    [[ $output == *"again, with every event: chipq-simtest --seed ${BASH_REMATCH[1]} --verbose --log --break double-start"* ]]
}

@test "bad options are told, and --help has an example" {
    run -64 "$simtest" --seeds 0
    [[ $output == *"--help"* ]]
    run -64 "$simtest" --break nothing
    [[ $output == *"--list-breaks"* ]]
    run -0 "$simtest" --help
    [[ $output == *"Example: chipq-simtest --seed"* ]]
}
