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
