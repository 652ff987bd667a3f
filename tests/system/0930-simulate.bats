#!/usr/bin/env bats
# chipq simulate and chipq-bench policy: no pool, the real core, virtual time.

bats_require_minimum_version 1.5.0
load pool.bash

setup() {
    T=$(mktemp -d)
    slice=$BATS_TEST_DIRNAME/../data/kth_easy_1131.swf.gz
}

teardown() {
    rm -rf "$T"
}

@test "every option of chipq simulate is one of chipq-sim" {
    theirs=$(chipq-sim --help)
    n=0
    for option in $(chipq help --complete -- simulate -- | grep -vE -- '--(dir|key|help|format|jsonl|history|with|from|to|enterprise)$'); do
        [[ $theirs == *" $option"* ]] || { echo "missing: $option"; false; }
        n=$((n + 1))
    done
    [ "$n" -gt 25 ]
}

@test "a trace gives its figures as a table, as JSON and by job" {
    run -0 --separate-stderr chipq simulate --swf "$slice" --csv "$T/jobs.csv"
    [[ $output == *"mean bounded slowdown"* && $output == *"utilisation"* ]]
    [ -z "$stderr" ]
    [ "$(head -n 1 "$T/jobs.csv")" = "job,submit,wait,run,cores,enterprise,class,started" ]
    [ "$(wc -l <"$T/jobs.csv")" -eq 1132 ]
    run -0 --separate-stderr chipq simulate --swf "$slice" --json
    [ "$(json jobs <<<"$output")" = 1131 ]
    [ "$(python3 -c 'import json,sys; v = json.load(sys.stdin); print(v["mean_bounded_slowdown"] >= 1 and v["mean_wait_seconds"] > 0 and 0 < v["utilisation"] < 1)' <<<"$output")" = True ]
}

@test "the mean over windows is the mean of each" {
    printf '0:200\n# comment\n300:100\n' >"$T/windows"
    run -0 --separate-stderr chipq simulate --swf "$slice" --windows "$T/windows" --json
    [ "$(python3 -c 'import json,sys; v = json.load(sys.stdin); w = v["windows"]; print(len(w), [x["jobs"] for x in w], abs(sum(x["mean_bounded_slowdown"] for x in w) / 2 - v["mean_bounded_slowdown"]) < 1e-6)' <<<"$output")" = "2 [200, 100] True" ]
}

@test "a made workload is the same for the same seed, and can be kept" {
    a=$(chipq simulate --saturate --enterprises 1 --slots 4 --jitter 0.3 --seed 5 --write-tsv "$T/w.tsv")
    b=$(chipq simulate --saturate --enterprises 1 --slots 4 --jitter 0.3 --seed 5)
    c=$(chipq simulate --saturate --enterprises 1 --slots 4 --jitter 0.3 --seed 6)
    [ "$a" = "$b" ]
    [ "$a" != "$c" ]
    run -0 --separate-stderr chipq simulate --tsv "$T/w.tsv" --json
    [ "$(json jobs <<<"$output")" -gt 200 ]
}

@test "wrong input: what and where, exit 2" {
    printf '; MaxProcs: 4\n1 0 0 5 1 -1 -1 1\n' >"$T/bad.swf"
    run -2 --separate-stderr chipq simulate --swf "$T/bad.swf"
    [[ $stderr == *"bad.swf:2: 8 fields"* ]]
    run -3 --separate-stderr chipq simulate --swf "$T/none.swf"
    [[ $stderr == *"none.swf"* ]]
    run -2 --separate-stderr chipq simulate
    [[ $stderr == *"say what to run"* ]]
    run -2 --separate-stderr chipq simulate --swf "$slice" --saturate
    [[ $stderr == *"choose one"* ]]
    run -2 --separate-stderr chipq simulate --eda seed=1,load=nan
    [[ $stderr == *"load"* ]]
    run -2 --separate-stderr chipq simulate --eda sed=1
    [[ $stderr == "chipq: simulate: --eda: "*"did you mean 'seed'?" ]]
    run -2 --separate-stderr chipq simulate --swf "$slice" --window 1100:50
    [[ $stderr == *"there are 1131"* ]]
    run -2 --separate-stderr chipq simulate --swf "$slice" --speed 3
    [[ $stderr == *"no option '--speed'"* ]]
}

@test "chipq-bench policy measures decisions without a pool" {
    run -0 --separate-stderr chipq-bench policy --tasks 2000 --enterprises 4 --buckets 20 --slots 64 --decisions 2000 --json
    [ "$(python3 -c 'import json,sys; p = json.load(sys.stdin)["points"]; print(len(p) > 3 and all(x["decisions_per_second"] > 0 for x in p), any(x["singles"] for x in p))' <<<"$output")" = "True True" ]
}

@test "--compat easy gives every published wait of the slice" {
    run -0 chipq simulate --swf "$slice" --compat easy --csv "$T/jobs.csv"
    run -0 python3 - "$slice" "$T/jobs.csv" <<'EOF'
import csv, gzip, sys
published = {int(f[0]): int(f[2]) for f in (l.split() for l in gzip.open(sys.argv[1], "rt") if l[0] != ";")}
rows = list(csv.DictReader(open(sys.argv[2])))
print(len(rows), [r["job"] for r in rows if int(r["wait"]) != published[int(r["job"])]])
EOF
    [ "$output" = "1131 []" ]
}

@test "saturated pools of 2, 4, 8 and 10 slots share 50/30/20 within 3 points" {
    for slots in 2 4 8 10; do
        run -0 --separate-stderr chipq simulate --saturate --weights 50,30,20 --slots $slots --json
        [ "$(python3 -c 'import json,sys; v = json.load(sys.stdin); print(v["jain_total"] >= 0.999 and all(abs(e["share_got"] - e["share_due"]) <= 0.03 for e in v["enterprises"]))' <<<"$output")" = True ]
    done
}

@test "changes are told beside what they change: each figure of both runs, and of each enterprise" {
    printf 'set\tenterprise\te001\tmax-cores\t7\n' >"$T/rows"
    printf 'set\tenterprise\te000\tweight\t6\n' >"$T/changes"
    cat "$T/rows" "$T/changes" >"$T/both"
    pool=(--saturate --enterprises 2 --slots 8)
    run -0 --separate-stderr chipq simulate "${pool[@]}" --config-rows "$T/rows" --config-changes "$T/changes" --json
    [ "$(json before <<<"$output")" = "$(chipq simulate "${pool[@]}" --config-rows "$T/rows" --json \
        | python3 -c 'import json,sys; print(json.dumps(json.load(sys.stdin)))')" ]
    [ "$(json after <<<"$output")" = "$(chipq simulate "${pool[@]}" --config-rows "$T/both" --json \
        | python3 -c 'import json,sys; print(json.dumps(json.load(sys.stdin)))')" ]
    run -0 --separate-stderr chipq simulate "${pool[@]}" --config-changes "$T/changes"
    [[ ${lines[0]} =~ ^\ +before\ +after\ +difference$ ]]
    [[ $output =~ "jobs ended "\ +480\ +480\ +"+0" ]]
    [[ $output =~ "wait, s: all, p95 "\ +[0-9.]+\ +[0-9.]+\ +[-+][0-9.]+ ]]
    [[ $output =~ e000\ +33\.33\ +75\.00\ +3[23]\.[0-9]+\ +7[456]\.[0-9]+ ]]
    printf 'set\tenterprise\te000\tweight\tmany\n' >"$T/changes"
    run -2 --separate-stderr chipq simulate "${pool[@]}" --config-changes "$T/changes"
    [[ $stderr == *"configuration is refused"*"'many'"* && -z $output ]]
}

@test "a set of quotas is applied before the jobs come" {
    printf 'set\tenterprise\te000\tmax-cores\t1\n' >"$T/rows"
    run -0 --separate-stderr chipq simulate --saturate --enterprises 2 --slots 8 --config-rows "$T/rows" --json
    [ "$(python3 -c 'import json,sys; v = json.load(sys.stdin); print(abs(v["enterprises"][0]["share_got"] - 1 / 8) < 1e-6)' <<<"$output")" = True ]
    printf 'set\tenterprise\te000\tmax-colours\t1\n' >"$T/rows"
    run -2 --separate-stderr chipq simulate --saturate --enterprises 2 --slots 8 --config-rows "$T/rows"
    [[ $stderr == *"configuration is refused"*"max-colours"* ]]
}

@test "placement: the default rule splits few small jobs, the lowest number many" {
    run -0 --separate-stderr chipq simulate --placement --nodes 8 --jobs 3000 --loads 0.75 --json
    [ "$(python3 -c 'import json,sys; r = json.load(sys.stdin)["rows"]; print(len(r), r[0]["topo"], r[0]["small_split_share"] <= 0.005, r[1]["topo"], r[1]["small_split_share"] > 0.05, r[2]["one_machine"])' <<<"$output")" = "3 pack:numa True any True True" ]
    run -0 --separate-stderr chipq simulate --placement --nodes 4 --jobs 500 --loads 0.5,0.6
    [ "$(grep -c 'pack:numa' <<<"$output")" = 2 ]
    run -2 --separate-stderr chipq simulate --placement --loads 0.85,nine
    [[ $stderr == *"loads"*"nine"* ]]
    run -2 --separate-stderr chipq simulate --placement --sockets 3
    [[ $stderr == *"3 sockets"* ]]
}

@test "who is held back by its own limits is owed nothing: the others share 50 to 20" {
    for limit in 'budget\t0.02core-hours/day' 'max-cores\t0'; do
        printf 'set\tenterprise\te001\t%b\n' "$limit" >"$T/rows"
        run -0 --separate-stderr chipq-sim --saturate --weights 50,30,20 --slots 2 --hours 1 --run 1s \
            --config-rows "$T/rows" --json
        [ "$(python3 -c 'import json,sys; e = json.load(sys.stdin)["enterprises"]; print(abs(e[2]["share_got"] / (e[0]["share_got"] + e[2]["share_got"]) - 2 / 7) < 0.02)' <<<"$output")" = True ]
    done
}
