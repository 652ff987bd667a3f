#!/usr/bin/env bats
# Accounts, audit and history on a real pool: what ran is charged once, to whom it belongs, and told to nobody else.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_up
    for name in acme beta; do
        pool_as "$name/dan" designer >/dev/null
        pool_as "$name/ada" admin >/dev/null
    done
    export ADMIN=$CHIPQ_DIR/keys/admin.key
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

key() { # key NAME [USER]
    echo "$CHIPQ_DIR/$1-${2:-dan}.key"
}

fetch_history() {
    "$CHIPQ_BIN/../tests/fetch-history" "$@"
}

# row FIELD VALUE KEY: of the rows of `usage --json` on standard input, the KEY of the one whose FIELD is VALUE.
row() {
    python3 -c 'import json,sys
rows = [r for r in json.load(sys.stdin)["usage"] if r[sys.argv[1]] == sys.argv[2]]
assert len(rows) == 1, rows
print(json.dumps(rows[0][sys.argv[3]]))' "$@"
}

@test "usage of nothing is an empty table, not an error" {
    run -0 chipq --key "$(key acme)" usage
    [ "$(wc -l <<<"$output")" = 1 ]
    [[ $output == PROJECT*CORE-HOURS*GIB-HOURS*LICENCE-HOURS*ATTEMPTS*"MEAN WAIT"*"P95 WAIT" ]]
    run -0 chipq --key "$(key acme)" usage --json
    [ "$(json usage <<<"$output")" = "[]" ]
}

@test "what ran is charged to its leaf: cores and memory for as long as it ran" {
    T=$(mktemp -d)
    mkfifo "$T/said" "$T/go"
    job=$(chipq --key "$(key acme)" submit --project uart --cores 2 --mem 512M -- \
        sh -c 'echo up >"$1"; read -r _ <"$2"' sh "$T/said" "$T/go")
    [ "$(heard "$T/said")" = up ]
    waits=$(chipq --key "$(key acme)" submit --project cpu -- true) # the pool has two cores
    timeout 2 tail -f /dev/null || true                             # two seconds of running and waiting
    tell "$T/go" ""
    run -0 chipq --key "$(key acme)" wait "$job" "$waits"
    run -0 chipq --key "$(key acme)" usage --json
    usage=$output
    run -0 chipq --key "$(key acme)" job "$job" --json
    python3 -c 'import json,sys
job, uart, cpu = json.loads(sys.argv[1]), *[[r for r in json.loads(sys.argv[2])["usage"] if r["project"] == p][0]
                                                  for p in ("uart", "cpu")]
ran = (job["end_us"] - job["start_us"]) / 1e6
assert ran > 1.9, ran
assert abs(uart["core_hours"] * 3600 / 2 - ran) < 0.5, (uart, ran)
assert abs(uart["mem_gib_hours"] * 3600 * 2 - ran) < 0.5, (uart, ran)
assert uart["attempts"] == 1 and uart["starts"] == 1 and uart["enterprise"] == "acme", uart
assert uart["p95_wait_us"] < 1.5e6, uart
assert cpu["mean_wait_us"] > 1.5e6 and cpu["p95_wait_us"] >= cpu["mean_wait_us"] * 0.99, cpu
assert cpu["p95_wait_us"] < cpu["mean_wait_us"] * 1.13, cpu' "$output" "$usage"
    rm -rf "$T"
}

@test "an array counts every task; all groupings say the same" {
    job=$(chipq --key "$(key beta)" submit --array 1-20 -- sh -c '[ $CHIPQ_TASK != 7 ]')
    run -1 chipq --key "$(key beta)" wait "$job"
    for by in enterprise project user day month; do
        run -0 chipq --key "$(key beta)" usage --by $by --json
        [ "$(json usage.0.attempts <<<"$output")" = 20 ]
        [ "$(json usage.0.starts <<<"$output")" = 20 ]
        run ! json usage.1 <<<"$output"
    done
    run -0 chipq --key "$(key beta)" usage --by user --json
    [ "$(row user dan attempts <<<"$output")" = 20 ]
    run -0 chipq --key "$(key beta)" usage --by day --json
    [ "$(json usage.0.period <<<"$output")" = "$(date -u +%F)" ]
    run -0 chipq --key "$(key beta)" usage --by month --json
    [ "$(json usage.0.period <<<"$output")" = "$(date -u +%Y-%m)" ]
}

@test "a tenant sees itself only; a platform admin sees all, by name" {
    for who in dan ada; do
        run -0 chipq --key "$(key acme $who)" usage --by enterprise
        [[ $output == *acme* && $output != *beta* ]]
        run -3 chipq --key "$(key acme $who)" usage --enterprise beta
        theirs=$output
        run -3 chipq --key "$(key acme $who)" usage --enterprise nosuch
        [ "${theirs//beta/X}" = "${output//nosuch/X}" ]
    done
    run -0 chipq usage --all --json
    [ "$(row enterprise acme attempts <<<"$output")" = 2 ]
    [ "$(row enterprise beta attempts <<<"$output")" = 20 ]
    run -0 chipq usage --enterprise beta --by project --json
    [ "$(json usage.0.attempts <<<"$output")" = 20 ]
}

@test "times: what is outside is left out; nonsense is refused" {
    run -0 chipq usage --all --from today --to today --json
    [ "$(row enterprise beta attempts <<<"$output")" = 20 ]
    run -0 chipq usage --all --from "$(date -u +%Y-%m)" --to "$(date -u +%Y-%m)" --json
    [ "$(row enterprise beta attempts <<<"$output")" = 20 ]
    run -0 chipq usage --all --to 2020-01-01 --json
    [ "$(json usage <<<"$output")" = "[]" ]
    run -0 chipq usage --all --from 2090-01 --json
    [ "$(json usage <<<"$output")" = "[]" ]
    for bad in 2026-02-30 2026-1-1 7d -7 tomorrow ""; do
        run -2 chipq usage --from "$bad"
        [[ $output == *"--from"* ]]
    done
    run -2 chipq usage --from today --to yesterday
    run -2 chipq usage --by projct
    [[ $output == *"did you mean 'project'"* ]]
    run -2 chipq usage --csv --json
}

@test "CSV has every column, once" {
    run -0 chipq usage --all --by project --csv
    [ "$(head -n 1 <<<"$output" | tr -d '\r')" = "enterprise,project,user,period,core_hours,mem_gib_hours,licence_hours,attempts,starts,mean_wait_us,p95_wait_us,period_us" ]
    [ "$(wc -l <<<"$output")" = 4 ]
    [ "$(chipq usage --all --by project --format csv)" = "$output" ]
    run -0 chipq usage --all --by project --format project,attempts
    [ "$(wc -l <<<"$output")" = 4 ]
}

@test "a killed chipqd loses and doubles nothing" {
    before=$(chipq usage --all --by project --csv)
    pid=$(pool_pid chipqd)
    kill -9 "$pid"
    wait_gone "$pid"
    run -0 chipq up
    [ "$(chipq usage --all --by project --csv)" = "$before" ]
}

@test "audit: people are there, by whom; an enterprise's admin sees what concerns it" {
    chipq --key "$(key acme ada)" admin user add acme/new --role designer --key-out "$BATS_TEST_TMPDIR/new.key"
    chipq --key "$(key acme ada)" admin user revoke acme/new
    chipq node drain "$(chipq nodes --json | json nodes.0.name)"
    chipq node resume "$(chipq nodes --json | json nodes.0.name)"
    run -0 chipq admin audit --json
    python3 -c 'import json,sys
rows = [(r["who"], r["verb"], r["object"]) for r in json.load(sys.stdin)["audit"]]
seqs = [r for r in rows]
for want in (("admin", "enterprise add", "acme"), ("admin", "user add", "beta/ada"),
             ("acme/ada", "user add", "acme/new"), ("acme/ada", "user revoke", "acme/new")):
    assert any(r[0].endswith(want[0]) and r[1:] == want[1:] for r in rows), (want, rows)
assert rows[-1][1] == "node resume" and rows[-2][1] == "node drain", rows[-3:]
assert rows.index(("acme/ada", "user add", "acme/new")) < rows.index(("acme/ada", "user revoke", "acme/new"))' <<<"$output"
    run -0 chipq --key "$(key acme ada)" admin audit
    [[ $output == *"user revoke"*acme/new* && $output == *platform*"enterprise add"*acme* ]]
    [[ $output != *beta* && $output != *drain* && $output != *" admin "*"enterprise add"* ]]
    run -3 chipq --key "$(key acme)" admin audit
    run -0 chipq admin audit --limit 2 --jsonl
    [ "$(wc -l <<<"$output")" = 2 ]
    run -0 chipq admin audit --to 2020-01-01 --json
    [ "$(json audit <<<"$output")" = "[]" ]
}

@test "history: a workload of what ran, without the names of jobs" {
    run -0 fetch_history "$ADMIN" "$BATS_TEST_TMPDIR/all.tsv"
    [ "$output" = 22 ]
    run -0 python3 - "$BATS_TEST_TMPDIR/all.tsv" <<'PY'
import json, sys
lines = open(sys.argv[1]).read().splitlines()
pool = json.loads(lines[0].lstrip("#"))
assert pool["cores"] == 2 and pool["mem_mb"] == 2048, pool
rows = [l.split("\t") for l in lines[1:]]
assert all(len(r) == 13 for r in rows)
assert [int(r[0]) for r in rows] == list(range(1, 23))
submits = [float(r[1]) for r in rows]
assert submits[0] == 0 and submits == sorted(submits)
first = rows[0]
assert float(first[2]) > 1.9 and first[4:10] == ["2", "512", "-", "acme", "uart", "dan"], first
arrays = [r for r in rows if r[11] != "0"]
assert len(arrays) == 20 and len({r[11] for r in arrays}) == 1
assert sorted(r[12] for r in arrays) == ["fail"] + 19 * ["ok"]
assert all(float(r[3]) > 0 for r in rows)
PY
    run -0 fetch_history "$ADMIN" "$BATS_TEST_TMPDIR/acme.tsv" acme
    [ "$output" = 2 ]
    run -0 fetch_history "$(key acme ada)" "$BATS_TEST_TMPDIR/own.tsv"
    [ "$output" = 2 ]
    ! grep -q beta "$BATS_TEST_TMPDIR/own.tsv"
    run -3 fetch_history "$(key acme ada)" "$BATS_TEST_TMPDIR/x.tsv" beta
    run -3 fetch_history "$(key acme)" "$BATS_TEST_TMPDIR/x.tsv"
    [ ! -e "$BATS_TEST_TMPDIR/x.tsv" ]
}

@test "audit --verify: whole; and broken at the row that somebody edited" {
    run -0 chipq admin audit --verify
    [[ $output == *"rows, each as it was written"*"head  "* ]]
    head=$(grep head <<<"$output")
    run -3 chipq --key "$(key acme ada)" admin audit --verify
    run -2 chipq admin audit --verify --limit 3
    chipq down
    python3 -c 'import os,sqlite3
db = sqlite3.connect(os.environ["CHIPQ_DIR"] + "/db/chipq.db")
seq, = db.execute("SELECT seq FROM audit WHERE object=? AND verb=?", ("acme/new", "user add")).fetchone()
db.execute("UPDATE audit SET principal_name=? WHERE seq=?", ("beta/ada", seq))
db.commit()
print(seq)' >"$BATS_TEST_TMPDIR/seq"
    sum_pages "$CHIPQ_DIR/db/chipq.db" # who edits knows of these, too
    chipq up
    run -1 chipq admin audit --verify
    [[ $output == *"broken at row $(cat "$BATS_TEST_TMPDIR/seq")"* ]]
    run -1 chipq admin audit --verify --json
    [ "$(json ok <<<"$output")" = false ]
    [ "$(json broken_row <<<"$output")" = "$(cat "$BATS_TEST_TMPDIR/seq")" ]
}
