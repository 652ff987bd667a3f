#!/usr/bin/env bats
# Flows with real tools: what is refused by the tools' own descriptions, and what a failing flow shows.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_up
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

setup() {
    command -v verilator >/dev/null || skip "no verilator"
    T=$(mktemp -d)
    printf 'module top(input logic a, output logic b);\n  assign b = a;\nendmodule\n' | tee "$T/good.sv" >"$T/top.sv"
    printf 'module top(input logic a, output logic b);\n  assign b = a & nothere;\nendmodule\n' >"$T/bad.sv"
}

teardown() {
    rm -rf "$T"
}

@test "parameters are checked against what the plugin describes, all problems at once" {
    cat >"$T/f.yaml" <<'YAML'
jobs:
  a: {tool: verilator.lint, topp: top, sources: [good.sv]}
  b: {tool: verilator.lint, top: top, sources: [nofile*.sv]}
  c: {tool: verilator.smi, top: top}
  d: {tool: verilator.sim, top: top, sources: [good.sv], seeds: many, coverage: 7}
YAML
    run -2 --separate-stderr chipq run "$T/f.yaml"
    [ -z "$output" ]
    [[ $stderr == *"f.yaml:2:29: unknown key 'topp' in job 'a' (verilator.lint); did you mean 'top'?"* ]]
    [[ $stderr == *"f.yaml:3:49: no file matches 'nofile*.sv' in $T"* ]]
    [[ $stderr == *"f.yaml:4:13: no task of verilator called 'smi'; did you mean 'sim'?"* ]]
    [[ $stderr == *"f.yaml:5:65: seeds: 'many' is not a range"* ]]
    [[ $stderr == *"f.yaml:5:81: coverage must be true or false, not '7'"* ]]
    run -0 --separate-stderr chipq jobs --jsonl
    [ -z "$output" ]
}

@test "a passing lint shows its figures and gates" {
    printf 'jobs:\n  lint: {tool: verilator.lint, top: top, sources: [top.sv], require: {lint__warnings: "== 0"}}\n' \
        >"$T/f.yaml"
    run -0 --separate-stderr chipq run "$T/f.yaml"
    [[ $output == *"lint warnings 0 (== 0)"* ]]
    run -0 --separate-stderr chipq run "$T/f.yaml" --json
    [ "$(json jobs.0.gates.0.ok <<<"$output")" = true ]
    [ "$(json jobs.0.metrics.lint__errors <<<"$output")" != null ]
}

@test "a failing lint: exit 1, its signature, its log, and what needed it is skipped" {
    cat >"$T/f.yaml" <<'YAML'
jobs:
  lint: {tool: verilator.lint, top: top, sources: [bad.sv]}
  next: {run: ["true"], needs: [lint]}
YAML
    run -1 --separate-stderr chipq run "$T/f.yaml"
    [[ $output == *"lint"*"fail"*"nothere"* ]]
    [[ $output == *"next: skipped"* ]]
    log=$(grep -o '/.*\.log' <<<"$output" | head -n 1)
    grep -q nothere "$log"
}

@test "an expected failure is a pass, its absence a fail" {
    cat >"$T/f.yaml" <<'YAML'
jobs:
  known: {tool: verilator.lint, top: top, sources: [bad.sv], expect: {verdict: fail, signature: nothere}}
YAML
    run -0 --separate-stderr chipq run "$T/f.yaml"
    [[ $output == *"expected failure seen"* ]]
    sed -i 's/bad.sv/top.sv/' "$T/f.yaml"
    run -1 --separate-stderr chipq run "$T/f.yaml"
    [[ $output == *"expected failure NOT seen"* ]]
}

@test "a gate on what the tool does not report is refused with its place, before anything runs" {
    cat >"$T/f.yaml" <<'YAML'
jobs:
  a: {tool: verilator.lint, top: top, sources: [good.sv], require: {lint__warning: "== 0"}}
  b: {tool: verilator.lint, top: top, sources: [good.sv], require: {lint__errors: 0}}
  sta: {tool: opensta.check, sdc: good.sv}
  d: {tool: verilator.sim, top: top, sources: [good.sv], require: {sim__build__errors: "== 0", fifo__depth: "> 0"}}
YAML
    run -2 --separate-stderr chipq run "$T/f.yaml"
    [[ $stderr == *"f.yaml:2:69: no metric of verilator.lint called 'lint__warning'; did you mean 'lint__warnings'?"* ]]
    [[ $stderr == *"f.yaml:3:83: a rule is a comparison and a number, as in \"== 0\" or \">= 0\", not '0'"* ]]
    [[ $stderr == *"f.yaml:4:3: sta: give \`netlist:\`, \`top:\` and \`liberty:\` or need a yosys.synth job"* ]]
    [[ $stderr == *"f.yaml:5:68: metric 'sim__build__errors' is of the stage 'build'; a gate stands on the last stage"* ]]
    [[ $stderr != *fifo__depth* ]]
}

@test "what a task takes and gives is shown, and its example is a job that the check takes" {
    run -0 --separate-stderr chipq tools yosys.synth
    [[ $output == *"liberty "*"path"*"yes"*"the cell library"* ]]
    [[ $output == *"synth__design__instance__area"* && $output == *"out/TOP.v "* ]]
    [[ $output == *"jobs:"*"  synth:"*"    tool: yosys.synth"* ]]
    [ -r /usr/share/qflow/tech/osu018/osu018_stdcells.lib ] || skip "no qflow-tech-osu018"
    cp -r "$BATS_TEST_DIRNAME/../../examples/uart" "$T/uart"
    echo jobs: >"$T/uart/all.yaml"
    for tool in verilator yosys opensta klayout; do
        chipq tools $tool | sed '1,/^jobs:$/d' >>"$T/uart/all.yaml"
    done
    run -0 --separate-stderr chipq run "$T/uart/all.yaml" --check
    [[ $stderr == *"6 jobs"* || $stderr == *"7 jobs"* ]]
}

@test "a syntax error is the design's, with its file and line" {
    printf 'module top(input logic a, output logic b);\n  assign b = a;\n  always_comb begin\nendmodule\n' >"$T/syntax.sv"
    echo 'jobs: {lint: {tool: verilator.lint, top: top, sources: [syntax.sv]}}' >"$T/f.yaml"
    run -1 --separate-stderr chipq run "$T/f.yaml"
    [[ $output == *"lint"*"fail"*"syntax.sv:4:1: syntax error, unexpected endmodule"* ]]
}
