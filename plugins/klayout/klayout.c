/* chipq-tool-klayout: makes layouts with scripts, and checks them with decks. */
#include "plugins/klayout/klayout.h"

int main(int argc, char **argv)
{
    return sdk_main(argc, argv, &klayout_plugin);
}
