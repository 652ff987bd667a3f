#!/usr/bin/env bats
# The example flows with the real tools: they pass as they are, and fail at the right gate when something is wrong.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    [ -z "${CHIPQ_QUICK-}" ] || skip "quick run"
    local tool
    for tool in verilator yosys sta klayout; do
        command -v "$tool" >/dev/null || skip "no $tool"
    done
    [ -r /usr/share/qflow/tech/osu018/osu018_stdcells.lib ] || skip "no qflow-tech-osu018"
    pool_up
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

setup() {
    T=$(mktemp -d)
    cp -r "$CHIPQ_ROOT/examples/uart" "$CHIPQ_ROOT/examples/rv32" "$T"
}

teardown() {
    rm -rf "$T"
}

# keep FILE JOB...: the flow with these jobs only.
keep() {
    python3 - "$@" <<'EOP'
import re, sys
path, wanted = sys.argv[1], set(sys.argv[2:])
out, inside, take = [], False, True
for line in open(path):
    job = re.match(r"  (\w+):", line)
    if line.startswith("jobs:"):
        inside = True
    elif inside and job:
        take = job[1] in wanted
    if take:
        out.append(line)
open(path, "w").write("".join(out))
EOP
}

flow() { # flow FILE [STATUS]: runs it, report in $output
    run --separate-stderr timeout 200 chipq run "$1" --json
    [ "$status" = "${2-0}" ] || { printf 'status %s\n%s\n%s\n' "$status" "$stderr" "$output" >&2 && false; }
}

of() { # of JOB PATH
    python3 -c 'import json,sys
job = next(j for j in json.load(sys.stdin)["jobs"] if j["name"] == sys.argv[1])
for key in sys.argv[2].split("."): job = job[int(key) if isinstance(job, list) else key]
print(job)' "$1" "$2" <<<"$output"
}

@test "the UART from lint to a checked layout: every gate holds, every figure is there" {
    sed -i 's/seeds: 1-100/seeds: 1-8/; s/, sim__coverage__user__pct: "== 100"//; s/pct: ">= 95"/pct: ">= 80"/' "$T/uart/signoff.yaml"
    flow "$T/uart/signoff.yaml"
    for job in lint sim synth sta layout drc; do [ "$(of $job verdict)" = pass ]; done
    python3 -c 'import sys
passed, failed, errors, area, cells, slack = map(float, sys.argv[1:])
assert passed == 8 and failed == 0 and errors == 0 and area > 10000 and cells > 500 and 0 <= slack < 20' \
        "$(of sim metrics.sim__tests__passed)" "$(of sim metrics.sim__tests__failed)" "$(of drc metrics.drc__errors)" \
        "$(of synth metrics.synth__design__instance__area)" "$(of synth metrics.synth__design__instance__count)" \
        "$(of sta metrics.timing__setup__ws)"
}

@test "broken RTL fails at lint; all behind it ends without starting, naming the cause" {
    sed -i '0,/always_ff/s//always_ff oops/' "$T/uart/rtl/uart_tx.sv"
    flow "$T/uart/signoff.yaml" 1
    [ "$(of lint verdict)" = fail ]
    for job in sim synth sta layout drc; do
        [ "$(of $job state)" = killed ]
        [ "$(of $job start_us)" = 0 ]
        [[ $(of $job reason) == *dependency* ]]
    done
}

@test "a clock that cannot be met fails at timing, with the slack told" {
    keep "$T/uart/signoff.yaml" lint synth sta
    sed -i -E 's/-period [0-9.]+/-period 0.1/' "$T/uart/uart.sdc"
    flow "$T/uart/signoff.yaml" 1
    [ "$(of synth verdict)" = pass ]
    [ "$(of sta verdict)" = fail ]
    python3 -c 'import sys; assert float(sys.argv[1]) < 0' "$(of sta metrics.timing__setup__ws)"
}

@test "a gate on a figure that the tool never gives is refused before anything runs" {
    keep "$T/uart/signoff.yaml" lint
    sed -i 's/lint__warnings: "== 0"/no__such__figure: "== 0"/' "$T/uart/signoff.yaml"
    flow "$T/uart/signoff.yaml" 2
    [[ $stderr == *"no__such__figure"* ]]
}

@test "a layout with a shape too narrow fails at DRC, under that rule's name" {
    keep "$T/uart/signoff.yaml" lint synth layout drc
    # The deck of a process whose first metal is a hundred times as wide: every wire of this layout is too narrow.
    sed -i -E 's/^( *\["M1", *[0-9]+, *)[0-9.]+/\150.0/' "$T/uart/layout/osu018.drc"
    grep -F '"M1"' "$T/uart/layout/osu018.drc" >&2
    flow "$T/uart/signoff.yaml" 1
    [ "$(of layout verdict)" = pass ]
    [ "$(of drc verdict)" = fail ]
    python3 -c 'import sys; assert float(sys.argv[1]) > 0' "$(of drc metrics.drc__errors)"
}

@test "the RISC-V's seeded bug is found: a pass; the good core in its place: a fail that says so" {
    keep "$T/rv32/regress.yaml" lint assemble seeded_bug
    flow "$T/rv32/regress.yaml"
    [ "$(of seeded_bug verdict)" = pass ]
    sed -i '/defines: \[RV32_BUG/d' "$T/rv32/regress.yaml"
    flow "$T/rv32/regress.yaml" 1
    [ "$(of seeded_bug verdict)" = fail ]
    [[ $(of seeded_bug failures.0.signature) == *"expected failure not seen"* ]]
}
