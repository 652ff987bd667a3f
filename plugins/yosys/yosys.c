/* chipq-tool-yosys: synthesis to the cells of a liberty library. */
#include "plugins/yosys/yosys.h"

int main(int argc, char **argv)
{
    return sdk_main(argc, argv, &yosys_plugin);
}
