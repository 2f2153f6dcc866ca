/* SPDX-License-Identifier: Apache-2.0 */
/* reeve - the command of operators.  Next: commands.c, cli.h. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
