/* chipq-tool-verilator: lint, and simulation in two stages. */
#include "plugins/verilator/verilator.h"

int main(int argc, char **argv)
{
    return sdk_main(argc, argv, &verilator_plugin);
}
