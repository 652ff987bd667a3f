# Makes a layout that breaks every rule of osu018.drc exactly once, each far from the others:
#
#   klayout -b -r seed_violations.py -rd out=seeded.gds [-rd only=M1.W]
#
# out   GDS file to write; its top cell is called `seeded`
# only  optional: draw this one rule's violation and nothing else
# Each rule's name stands as a label beside its violation.
import pya

METALS = {"M1": 49, "M2": 51, "M3": 62, "M4": 31, "M5": 33, "M6": 37}
VIAS = {"V1": (50, "M1", "M2"), "V2": (61, "M2", "M3"), "V3": (30, "M3", "M4"),
        "V4": (32, "M4", "M5"), "V5": (36, "M5", "M6")}
LABEL_LAYER = "M1"
STEP_UM = 20.0
COLUMNS = 6


def metal_seeds(name):
    """Boxes as (layer, x1, y1, x2, y2) in um, by rule. Metal 6 asks more, so its figures differ."""
    least = 0.5 if name == "M6" else 0.3
    pad = 0.7 if name == "M6" else 0.4  # wide enough, but of too little area
    thin, gap = least - 0.1, least - 0.1
    return {
        f"{name}.W": [(name, 0, 0, thin, 5.0)],
        f"{name}.S": [(name, 0, 0, 1.0, 5.0), (name, 1.0 + gap, 0, 2.0 + gap, 5.0)],
        f"{name}.A": [(name, 0, 0, pad, pad)],
    }


def via_seeds(name):
    _, below, above = VIAS[name]
    size, space = (0.3 if name == "V5" else 0.2), (0.4 if name in ("V3", "V5") else 0.3)
    plates = [(below, 0, 0, 3.0, 3.0), (above, 0, 0, 3.0, 3.0)]
    via = (name, 1.0, 1.0, 1.0 + size, 1.0 + size)
    second = 1.0 + size + space - 0.1

    def short_plate(short):
        """Both plates around the via, the one called `short` only 0.05 um beyond its left edge."""
        return [(p, 0.95 if p == short else 0.0, 0, 3.0, 3.0) for p in (below, above)] + [via]

    return {
        f"{name}.Z": plates + [(name, 1.0, 1.0, 1.0 + size + 0.1, 1.0 + size)],
        f"{name}.S": plates + [via, (name, second, 1.0, second + size, 1.0 + size)],
        f"{name}.E.{below}": short_plate(below),
        f"{name}.E.{above}": short_plate(above),
    }


def all_seeds():
    seeds = {}
    for name in METALS:
        seeds.update(metal_seeds(name))
    for name in VIAS:
        seeds.update(via_seeds(name))
    seeds["GRID"] = [("M1", 0.0, 0.0, 2.02, 2.0)]
    return seeds


def main():
    seeds = all_seeds()
    only = globals().get("only")
    if only is not None and only not in seeds:
        raise ValueError(f"no rule {only}; there are {' '.join(seeds)}")
    layout = pya.Layout()
    layout.dbu = 0.001
    numbers = dict(METALS, **{name: row[0] for name, row in VIAS.items()})
    layers = {name: layout.layer(number, 0) for name, number in numbers.items()}
    top = layout.create_cell("seeded")
    for i, (rule, boxes) in enumerate(seeds.items()):
        if only is not None and rule != only:
            continue
        x, y = (i % COLUMNS) * STEP_UM, (i // COLUMNS) * STEP_UM
        for layer, x1, y1, x2, y2 in boxes:
            top.shapes(layers[layer]).insert(pya.DBox(x + x1, y + y1, x + x2, y + y2))
        top.shapes(layers[LABEL_LAYER]).insert(pya.DText(rule, x, y - 1.0))
    options = pya.SaveLayoutOptions()
    options.format = "GDS2"
    options.gds2_write_timestamps = False
    layout.write(globals()["out"], options)
    print(f"seeded {len(seeds) if only is None else 1} violations")


main()
