#!/usr/bin/env bats
# The deck of examples/uart/layout: every rule fires once, on its own violation.

setup_file() {
    if ! command -v klayout >/dev/null; then
        skip "klayout is not installed"
    fi
    export LAYOUT_DIR="$BATS_TEST_DIRNAME/../../examples/uart/layout"
    klayout -b -r "$LAYOUT_DIR/seed_violations.py" -rd "out=$BATS_FILE_TMPDIR/seeded.gds"
    klayout -b -r "$LAYOUT_DIR/osu018.drc" -rd "input=$BATS_FILE_TMPDIR/seeded.gds" \
        -rd "report=$BATS_FILE_TMPDIR/seeded.lyrdb"
}

# Prints "RULE COUNT" for each category of a report. Names with a dot stand in quotes in an item.
counts() {
    python3 - "$1" <<'PY'
import collections
import sys
import xml.etree.ElementTree as tree

root = tree.parse(sys.argv[1]).getroot()
found = collections.Counter(i.findtext("category").strip("'") for i in root.find("items"))
for category in root.find("categories"):
    print(category.findtext("name"), found[category.findtext("name")])
PY
}

# Draws M1 and V1 as text "X1 Y1 X2 Y2 LAYER" lines of stdin, in um, into the GDS $1.
draw() {
    cat >"$BATS_TEST_TMPDIR/shapes"
    cat >"$BATS_TEST_TMPDIR/draw.py" <<'PY'
import pya
layout = pya.Layout()
top = layout.create_cell("drawn")
for line in open(shapes):
    *box, layer = line.split()
    top.shapes(layout.layer(int(layer), 0)).insert(pya.DBox(*map(float, box)))
layout.write(out)
PY
    klayout -b -r "$BATS_TEST_TMPDIR/draw.py" -rd "shapes=$BATS_TEST_TMPDIR/shapes" -rd "out=$1"
}

@test "each rule of the deck fires exactly once on the seeded layout" {
    run counts "$BATS_FILE_TMPDIR/seeded.lyrdb"
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 39 ]
    for line in "${lines[@]}"; do
        echo "$line"
        [ "${line##* }" -eq 1 ]
    done
}

@test "the seeds and the rules of the deck have the same names" {
    seeds=$(klayout -b -r "$LAYOUT_DIR/seed_violations.py" -rd only=none \
        -rd "out=$BATS_TEST_TMPDIR/x.gds" 2>&1 | sed -n 's/.*there are //p' | head -n 1)
    rules=$(counts "$BATS_FILE_TMPDIR/seeded.lyrdb" | cut -d' ' -f1 | sort)
    [ "$(tr ' ' '\n' <<<"$seeds" | sort)" = "$rules" ]
}

@test "one seed alone fires its own rule and no other" {
    klayout -b -r "$LAYOUT_DIR/seed_violations.py" -rd only=V3.S -rd "out=$BATS_TEST_TMPDIR/one.gds"
    klayout -b -r "$LAYOUT_DIR/osu018.drc" -rd "input=$BATS_TEST_TMPDIR/one.gds" \
        -rd "report=$BATS_TEST_TMPDIR/one.lyrdb"
    run counts "$BATS_TEST_TMPDIR/one.lyrdb"
    [ "${#lines[@]}" -eq 39 ]
    [ "$(printf '%s\n' "${lines[@]}" | grep -v ' 0$')" = "V3.S 1" ]
}

@test "shapes exactly on the limits are clean, and every rule is in the report" {
    draw "$BATS_TEST_TMPDIR/limit.gds" <<'SHAPES'
0 0 0.3 5 49
0.6 0 0.9 5 49
2 0 2.4 0.5 49
2 0 2.4 0.5 51
2.1 0.15 2.3 0.35 50
SHAPES
    klayout -b -r "$LAYOUT_DIR/osu018.drc" -rd "input=$BATS_TEST_TMPDIR/limit.gds" \
        -rd "report=$BATS_TEST_TMPDIR/limit.lyrdb"
    run counts "$BATS_TEST_TMPDIR/limit.lyrdb"
    [ "${#lines[@]}" -eq 39 ]
    ! printf '%s\n' "${lines[@]}" | grep -v ' 0$'
}

@test "a via without any metal is found" {
    draw "$BATS_TEST_TMPDIR/bare.gds" <<'SHAPES'
0 0 0.2 0.2 50
SHAPES
    klayout -b -r "$LAYOUT_DIR/osu018.drc" -rd "input=$BATS_TEST_TMPDIR/bare.gds" \
        -rd "report=$BATS_TEST_TMPDIR/bare.lyrdb"
    run counts "$BATS_TEST_TMPDIR/bare.lyrdb"
    [ "$(printf '%s\n' "${lines[@]}" | grep -v ' 0$' | tr '\n' ' ')" = "V1.E.M1 1 V1.E.M2 1 " ]
}

@test "a layer that the deck does not know is an error, not a clean result" {
    draw "$BATS_TEST_TMPDIR/alien.gds" <<'SHAPES'
0 0 5 5 49
0 0 5 5 200
SHAPES
    run klayout -b -r "$LAYOUT_DIR/osu018.drc" -rd "input=$BATS_TEST_TMPDIR/alien.gds" \
        -rd "report=$BATS_TEST_TMPDIR/alien.lyrdb"
    [ "$status" -ne 0 ]
    [[ "$output" == *"layers of another technology: 200/0"* ]]
}

@test "an empty layout is an error, not a clean result" {
    draw "$BATS_TEST_TMPDIR/empty.gds" </dev/null
    run klayout -b -r "$LAYOUT_DIR/osu018.drc" -rd "input=$BATS_TEST_TMPDIR/empty.gds" \
        -rd "report=$BATS_TEST_TMPDIR/empty.lyrdb"
    [ "$status" -ne 0 ]
    [[ "$output" == *"nothing to check"* ]]
}

@test "the layout is the same to the byte from Verilog and from JSON, and is clean" {
    lef=/usr/share/qflow/tech/osu018/osu018_stdcells.lef
    [ -f "$lef" ] || skip "qflow-tech-osu018 is not installed"
    cat >"$BATS_TEST_TMPDIR/n.v" <<'V'
/* two flip-flops and a gate */
module n(clk, d, \q[0] );
  input clk, d;
  output \q[0] ;
  wire w, x;
  DFFPOSX1 _0_ (
    .CLK(clk),
    .D(d),
    .Q(w)
  );
  INVX1 \u.inv[1]  (
    .A(w),
    .Y(x)
  );
  DFFPOSX1 _2_ ( .CLK(clk), .D(x), .Q(\q[0] ) );
endmodule
V
    cat >"$BATS_TEST_TMPDIR/n.json" <<'J'
{"modules": {"n": {"cells": {"_0_": {"type": "DFFPOSX1"}, "u.inv[1]": {"type": "INVX1"},
 "_2_": {"type": "DFFPOSX1"}}}}}
J
    for kind in v json; do
        klayout -b -r "$LAYOUT_DIR/make_layout.py" -rd "netlist=$BATS_TEST_TMPDIR/n.$kind" \
            -rd "lef=$lef" -rd top=n \
            -rd "out=$BATS_TEST_TMPDIR/$kind.gds" | grep -F 'layout: 3 cells'
    done
    cmp "$BATS_TEST_TMPDIR/v.gds" "$BATS_TEST_TMPDIR/json.gds"
    klayout -b -r "$LAYOUT_DIR/osu018.drc" -rd "input=$BATS_TEST_TMPDIR/v.gds" \
        -rd "report=$BATS_TEST_TMPDIR/n.lyrdb" -rd top=n -rd threads=1
    run counts "$BATS_TEST_TMPDIR/n.lyrdb"
    [ "${#lines[@]}" -eq 39 ]
    ! printf '%s\n' "${lines[@]}" | grep -v ' 0$'
}

@test "a netlist cell that the LEF does not have is refused by name" {
    lef=/usr/share/qflow/tech/osu018/osu018_stdcells.lef
    [ -f "$lef" ] || skip "qflow-tech-osu018 is not installed"
    echo '{"modules": {"n": {"cells": {"a": {"type": "NAND9X9"}}}}}' >"$BATS_TEST_TMPDIR/n.json"
    run klayout -b -r "$LAYOUT_DIR/make_layout.py" -rd "netlist=$BATS_TEST_TMPDIR/n.json" \
        -rd "lef=$lef" -rd top=n -rd "out=$BATS_TEST_TMPDIR/n.gds"
    [ "$status" -ne 0 ]
    [[ "$output" == *"not in the LEF: NAND9X9"* ]]
    [ ! -e "$BATS_TEST_TMPDIR/n.gds" ]
}
