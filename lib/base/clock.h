/* SPDX-License-Identifier: Apache-2.0 */
/* clock - the only place that reads time
 *
 * Pure code never includes this: time comes in as an argument.
 */
#ifndef REEVE_LIB_BASE_CLOCK_H
#define REEVE_LIB_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_mono_ms(void); /* never jumps; not comparable between hosts */
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void); /* since 1970, for people and records */

#endif
