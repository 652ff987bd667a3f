/* chipq-tool-opensta: static timing. */
#include "plugins/opensta/opensta.h"

int main(int argc, char **argv)
{
    return sdk_main(argc, argv, &opensta_plugin);
}
