/* GPUs out of hwloc's devices. */
#include "worker/agent/gpus.h"
#include "worker/agent/numbers.h"

#include <hwloc.h>

enum { PCI_DISPLAY = 0x03 };

/* Graphics of management controllers and virtual machines: screens, no use for computing. */
static const uint16_t consoles[] = {
    0x1a03, /* ASPEED */
    0x102b, /* Matrox */
    0x1013, /* Cirrus */
    0x1234, /* QEMU */
    0x1b36, /* QXL */
    0x1af4, /* virtio */
    0x15ad, /* VMware */
    0x1414, /* Hyper-V */
};

static bool is_console(const struct hwloc_obj *pci)
{
    for (size_t i = 0; i < CQ_COUNT(consoles); i++)
        if (pci->attr->pcidev.vendor_id == consoles[i])
            return true;
    return false;
}

void gpus_want(struct hwloc_topology *hw)
{
    static const char *const with_drivers[] = {"cuda", "nvml", "opencl", "rsmi", "levelzero", "gl"};
    (void)hwloc_topology_set_io_types_filter(hw, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
    for (size_t i = 0; i < CQ_COUNT(with_drivers); i++)
        (void)hwloc_topology_set_components(hw, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST,
                                            with_drivers[i]);
}

static void set_vendor(struct gpu *g, uint16_t id)
{
    const char *known = id == 0x10de   ? "nvidia"
                        : id == 0x1002 ? "amd"
                        : id == 0x8086 ? "intel"
                                       : NULL;
    if (known)
        (void)cq_copy_text(g->vendor, sizeof g->vendor, known);
    else
        (void)snprintf(g->vendor, sizeof g->vendor, "%04x", id);
}

static void name_by_bus(struct gpu *g)
{
    const struct hwloc_pcidev_attr_s *a = &g->device->attr->pcidev;
    set_vendor(g, a->vendor_id);
    (void)snprintf(g->name, sizeof g->name, "%s:%04x@%04x:%02x:%02x.%x", g->vendor, a->device_id,
                   (unsigned)a->domain, a->bus, a->dev, a->func);
}

/* Blanks and parentheses would end it in the compact form. */
static void name_by_system(struct gpu *g)
{
    (void)cq_copy_text(g->name, sizeof g->name, g->device->name ? g->device->name : "?");
    for (char *p = g->name; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '(' || *p == ')')
            *p = '_';
}

static void add(hwloc_topology_t hw, hwloc_obj_t device, struct gpus *out)
{
    for (size_t i = 0; i < out->n; i++)
        if (out->items[i].device == device)
            return;
    if (out->n == GPUS_MAX)
        return;
    struct gpu *g = &out->items[out->n++];
    *g = (struct gpu){.device = device, .near = hwloc_get_non_io_ancestor_obj(hw, device)};
    if (device->type == HWLOC_OBJ_PCI_DEVICE)
        name_by_bus(g);
    else
        name_by_system(g);
}

/* One card may be several devices of the system: they have one place on the bus. */
static void add_system_device(hwloc_topology_t hw, hwloc_obj_t o, struct gpus *out)
{
    hwloc_obj_t on_bus = o->parent;
    bool is_gpu =
        o->attr->osdev.type == HWLOC_OBJ_OSDEV_GPU || o->attr->osdev.type == HWLOC_OBJ_OSDEV_COPROC;
    if (!is_gpu)
        return;
    while (on_bus && on_bus->type != HWLOC_OBJ_PCI_DEVICE)
        on_bus = on_bus->parent;
    if (on_bus == NULL || !is_console(on_bus))
        add(hw, on_bus ? on_bus : o, out);
}

void gpus_find(struct hwloc_topology *hw, struct gpus *out)
{
    out->n = 0;
    for (hwloc_obj_t o = NULL; (o = hwloc_get_next_pcidev(hw, o));)
        if (o->attr->pcidev.class_id >> 8 == PCI_DISPLAY && !is_console(o))
            add(hw, o, out);
    for (hwloc_obj_t o = NULL; (o = hwloc_get_next_osdev(hw, o));)
        add_system_device(hw, o, out);
}

void gpus_add_near(const struct gpus *g, const struct hwloc_obj *o, struct cq_str *out)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->items[i].near == o) {
            numbers_separate(out);
            cq_str_printf(out, "gpu%zu:%s", i, g->items[i].name);
        }
}

static size_t count_of(const struct gpus *g, const char *vendor, size_t before)
{
    size_t n = 0;
    for (size_t i = 0; i < before; i++)
        n += strcmp(g->items[i].vendor, vendor) == 0;
    return n;
}

void gpus_add_features(const struct gpus *g, struct cq_str *out)
{
    if (g->n > 0)
        cq_str_printf(out, "gpu=%zu", g->n);
    for (size_t i = 0; i < g->n; i++) {
        const char *vendor = g->items[i].vendor;
        if (*vendor && count_of(g, vendor, i) == 0)
            cq_str_printf(out, "\ngpu-%s=%zu", vendor, count_of(g, vendor, g->n));
    }
}
