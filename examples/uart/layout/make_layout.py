# Makes a placed layout from a synthesized netlist:
#
#   klayout -b -r make_layout.py -rd netlist=uart.v -rd lef=osu018_stdcells.lef -rd top=uart \
#       -rd out=uart.gds
#
# netlist  structural Verilog, or the JSON of yosys' write_json when the name ends in .json; flat
# lef      the standard cells: sizes, pins and obstructions become the geometry of the GDS cells
# top      module to place, and name of the only top cell
# out      GDS file to write
# aspect   optional: width / height of the rows, default 1.0
#
# Cells stand in rows that share their supply rails (every second row is flipped), in the order of
# the netlist; FILL closes what is left. Tap columns carry metal2 straps that join the rails, and
# metal3 bars join the straps. Signal wires are not routed. Same inputs, same bytes.
import json
import math
import re

import pya

GDS_LAYERS = {  # LEF name -> layer of the GDS, as in SCN6M_SUBM.10.tech (calma lines of cifoutput)
    "metal1": 49, "via": 50, "metal2": 51, "via2": 61, "metal3": 62, "via3": 30,
    "metal4": 31, "via4": 32, "metal5": 33, "via5": 36, "metal6": 37,
}
DBU_UM = 0.001
FILLER = "FILL"

# The power grid, um. A tap column holds both straps; its cells are fillers, which have no metal2.
TAP_SITES = 4
TAP_PITCH_SITES = 100
STRAP_WIDTH = 1.0
STRAP_X = {"gnd": 0.8, "vdd": 2.4}  # centre, from the left edge of the tap column
BAR_WIDTH = 2.0
BAR_GAP = 1.0
VIA_SIZE = 0.2
VIA_PITCH = 0.5
VIA_MARGIN = 0.15  # metal beyond the outermost via; the rules ask 0.1


class LayoutError(Exception):
    pass


class Macro:
    """One LEF cell: size in um, rectangles as (layer, x1, y1, x2, y2), a label point per pin."""

    def __init__(self, name):
        self.name = name
        self.width = 0.0
        self.height = 0.0
        self.rects = []
        self.labels = []


def parse_macro(name, words):
    macro = Macro(name)
    layer = pin = None
    labelled = set()
    i = 0
    while i < len(words):
        word = words[i]
        if word == "SIZE":
            macro.width, macro.height = float(words[i + 1]), float(words[i + 3])
            i += 4
        elif word == "ORIGIN" and (float(words[i + 1]), float(words[i + 2])) != (0.0, 0.0):
            raise LayoutError(f"LEF: {name} has an origin other than 0 0")
        elif word == "PIN":
            pin = words[i + 1]
            i += 2
        elif word in ("OBS", "END"):
            if word == "OBS" or (i + 1 < len(words) and words[i + 1] == pin):
                pin = None
            i += 1
        elif word == "LAYER":
            layer = words[i + 1]
            if layer not in GDS_LAYERS:
                raise LayoutError(f"LEF: {name} uses layer {layer}, which has no GDS number")
            i += 2
        elif word == "RECT":
            rect = (layer, *(float(v) for v in words[i + 1:i + 5]))
            macro.rects.append(rect)
            if pin is not None and pin not in labelled:
                labelled.add(pin)
                macro.labels.append((pin, layer, (rect[1] + rect[3]) / 2, (rect[2] + rect[4]) / 2))
            i += 5
        elif word in ("POLYGON", "PATH", "VIA"):
            raise LayoutError(f"LEF: {name} has a {word}; only RECT is understood")
        else:
            i += 1
    if macro.width <= 0.0 or macro.height <= 0.0:
        raise LayoutError(f"LEF: {name} has no SIZE")
    return macro


def read_lef(path):
    """Returns ({name: Macro}, site width, site height)."""
    with open(path, encoding="ascii") as f:
        text = re.sub(r"#[^\n]*", "", f.read())
    site = re.search(r"\bSITE\s+\S+.*?\bSIZE\s+([\d.]+)\s+BY\s+([\d.]+)", text, re.S)
    if site is None:
        raise LayoutError("LEF: no SITE with a SIZE")
    macros = {}
    for match in re.finditer(r"^MACRO\s+(\S+)\s(.*?)^END\s+\1\s*$", text, re.S | re.M):
        macros[match.group(1)] = parse_macro(match.group(1), match.group(2).split())
    if FILLER not in macros:
        raise LayoutError(f"LEF: no {FILLER} cell")
    return macros, float(site.group(1)), float(site.group(2))


def read_json_netlist(text, top):
    modules = json.loads(text)["modules"]
    if top not in modules:
        raise LayoutError(f"netlist: no module {top}")
    return [(name, cell["type"]) for name, cell in modules[top]["cells"].items()]


def read_verilog_netlist(text, top):
    text = re.sub(r"/\*.*?\*/|//[^\n]*|\(\*.*?\*\)", "", text, flags=re.S)
    pattern = r"\bmodule\s+\\?" + re.escape(top) + r"\s*(\([^;]*)?;(.*?)\bendmodule\b"
    module = re.search(pattern, text, re.S)
    if module is None:
        raise LayoutError(f"netlist: no module {top} with its endmodule")
    cells = []
    for statement in module.group(2).split(";"):
        words = statement.split(maxsplit=1)
        if not words or words[0] in ("input", "output", "inout", "wire", "assign"):
            continue
        # Named connections only, as yosys writes them. Nothing is passed over in silence.
        match = re.match(r"\s*([A-Za-z_]\w*)\s+(\\\S+\s+|[A-Za-z_]\w*\s*)\(\s*\.", statement)
        if match is None:
            shown = " ".join(statement.split())[:80]
            raise LayoutError(f"netlist: not structural Verilog: {shown}")
        cells.append((match.group(2).strip(), match.group(1)))
    return cells


def read_netlist(path, top, macros):
    """Returns [(instance name, macro)], in the order of the netlist."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    read = read_json_netlist if path.endswith(".json") else read_verilog_netlist
    cells = read(text, top)
    unknown = sorted({kind for _, kind in cells if kind not in macros})
    if unknown:
        raise LayoutError(f"netlist: not in the LEF: {', '.join(unknown)}")
    if not cells:
        raise LayoutError(f"netlist: module {top} has no cells")
    return [(name, macros[kind]) for name, kind in cells]


class Floorplan:
    """Rows of sites. Each row is cut by the tap columns into segments of `segment_sites`."""

    def __init__(self, cells, site_width, row_height, aspect):
        self.site_width = site_width
        self.row_height = row_height
        area = sum(macro.width * row_height for _, macro in cells)
        width_sites = math.sqrt(area * aspect) / site_width
        self.segments = max(1, math.ceil(width_sites / TAP_PITCH_SITES))
        widest = max(self.sites(macro) for _, macro in cells)
        self.segment_sites = max(math.ceil(width_sites / self.segments), widest)
        self.row_sites = self.segments * self.segment_sites + (self.segments + 1) * TAP_SITES

    def sites(self, macro):
        if abs(macro.height - self.row_height) > 1e-6:
            raise LayoutError(f"{macro.name} is {macro.height} um high, the row {self.row_height}")
        count = round(macro.width / self.site_width)
        if abs(count * self.site_width - macro.width) > 1e-6:
            raise LayoutError(f"{macro.name} is not a whole number of sites wide")
        return count

    def tap_columns(self):
        step = self.segment_sites + TAP_SITES
        return [i * step for i in range(self.segments + 1)]

    def place(self, cells):
        """Returns ([(name or None, macro name, site, row)], rows). None: a filler."""
        placed, row, segment, used = [], 0, 0, 0

        def segment_start():
            return segment * (self.segment_sites + TAP_SITES) + TAP_SITES

        def fill_segment():
            for site in range(used, self.segment_sites):
                placed.append((None, FILLER, segment_start() + site, row))

        for name, macro in cells:
            need = self.sites(macro)
            if used + need > self.segment_sites:
                fill_segment()
                segment, used = segment + 1, 0
                if segment == self.segments:
                    segment, row = 0, row + 1
            placed.append((name, macro.name, segment_start() + used, row))
            used += need
        while segment < self.segments:
            fill_segment()
            segment, used = segment + 1, 0
        rows = row + 1
        for r in range(rows):
            for column in self.tap_columns():
                placed += [(None, FILLER, column + i, r) for i in range(TAP_SITES)]
        return placed, rows


class Drawing:
    """A GDS being made; takes um."""

    def __init__(self):
        self.layout = pya.Layout()
        self.layout.dbu = DBU_UM
        self.layers = {name: self.layout.layer(number, 0) for name, number in GDS_LAYERS.items()}

    @staticmethod
    def dbu(um):
        return round(um / DBU_UM)

    def rect(self, cell, layer, x1, y1, x2, y2):
        box = pya.Box(self.dbu(x1), self.dbu(y1), self.dbu(x2), self.dbu(y2))
        cell.shapes(self.layers[layer]).insert(box)

    def label(self, cell, text, layer, x, y):
        cell.shapes(self.layers[layer]).insert(pya.Text(text, self.dbu(x), self.dbu(y)))

    def macro(self, macro):
        cell = self.layout.create_cell(macro.name)
        for rect in macro.rects:
            self.rect(cell, *rect)
        for label in macro.labels:
            self.label(cell, *label)
        return cell

    def vias(self, cell, layer, x1, y1, x2, y2):
        """As many vias as fit in the overlap of two wires, centred, at the pitch of the LEF."""
        def centres(low, high):
            room = high - low - 2 * VIA_MARGIN - VIA_SIZE
            count = int(room / VIA_PITCH + 1e-6) + 1
            first = (low + high) / 2 - (count - 1) * VIA_PITCH / 2
            return [first + i * VIA_PITCH for i in range(count)]
        half = VIA_SIZE / 2
        for x in centres(x1, x2):
            for y in centres(y1, y2):
                self.rect(cell, layer, x - half, y - half, x + half, y + half)

    def write(self, path):
        options = pya.SaveLayoutOptions()
        options.format = "GDS2"
        options.gds2_write_timestamps = False  # else no two runs are alike
        self.layout.write(path, options)


def draw_power(drawing, top, plan, rows):
    """Metal2 straps on the rails of every row, and a metal3 bar per supply beyond the last row."""
    height = rows * plan.row_height
    width = plan.row_sites * plan.site_width
    bars = {"gnd": (-BAR_GAP - BAR_WIDTH, -BAR_GAP),
            "vdd": (height + BAR_GAP, height + BAR_GAP + BAR_WIDTH)}
    for net, (y1, y2) in bars.items():
        drawing.rect(top, "metal3", 0.0, y1, width, y2)
        drawing.label(top, net, "metal3", width / 2, (y1 + y2) / 2)
    for column in plan.tap_columns():
        for net, offset in STRAP_X.items():
            x = column * plan.site_width + offset
            x1, x2 = x - STRAP_WIDTH / 2, x + STRAP_WIDTH / 2
            bar_y1, bar_y2 = bars[net]
            drawing.rect(top, "metal2", x1, min(bar_y1, -0.3), x2, max(bar_y2, height + 0.3))
            drawing.vias(top, "via2", x1, bar_y1, x2, bar_y2)
            # Row 0 stands upright, so gnd is the rail at every even multiple of the row height.
            for rail in range(0 if net == "gnd" else 1, rows + 1, 2):
                y = rail * plan.row_height
                drawing.vias(top, "via", x1, y - 0.3, x2, y + 0.3)


def draw(macros, plan, placed, rows, top_name):
    drawing = Drawing()
    top = drawing.layout.create_cell(top_name)
    drawn = {}
    for _, kind, site, row in placed:
        if kind not in drawn:
            if kind == top_name:
                raise LayoutError(f"top is called like a cell of the LEF: {kind}")
            drawn[kind] = drawing.macro(macros[kind])
        x = drawing.dbu(site * plan.site_width)
        flipped = row % 2 == 1
        y = drawing.dbu((row + 1 if flipped else row) * plan.row_height)
        where = pya.Trans(pya.Trans.M0 if flipped else pya.Trans.R0, x, y)
        top.insert(pya.CellInstArray(drawn[kind].cell_index(), where))
    draw_power(drawing, top, plan, rows)
    return drawing


def option(name, default=None):
    value = globals().get(name, default)
    if value is None:
        raise LayoutError(f"give -rd {name}=...")
    return value


def main():
    top, out = option("top"), option("out")
    macros, site_width, row_height = read_lef(option("lef"))
    cells = read_netlist(option("netlist"), top, macros)
    plan = Floorplan(cells, site_width, row_height, float(option("aspect", "1.0")))
    placed, rows = plan.place(cells)
    draw(macros, plan, placed, rows, top).write(out)
    width, height = plan.row_sites * site_width, rows * row_height
    used = sum(macro.width * row_height for _, macro in cells)
    print(f"layout: {len(cells)} cells, {len(placed) - len(cells)} fillers, {rows} rows, "
          f"{width:.1f} x {height:.1f} um, utilization {100.0 * used / (width * height):.1f} %")


main()
