/*
 * How a limit becomes the text of a file, where that is more than its number: the conversions of the table in
 * knobs.c. 0, KNOB_SKIP (there is nothing to write), or -errno with a message.
 */
#pragma once
#include "cgroups/internal.h"

int cg_say(char *out, size_t size, const char *fmt, ...) PRINTF(3, 4);

/* ---- knobs_cpu.c ---- */
knob_conv cg_cpu_weight, cg_cpu_quota_v2, cg_cpu_period_v2;
/* ---- knobs_memory.c ---- */
knob_conv cg_swap_v2, cg_swap_kept, cg_swap_free;
/* ---- knobs_io.c ---- */
knob_conv cg_dev_weight, cg_dev_leaf_weight, cg_say_io_weight, cg_dev_io_weight, cg_io_rate;
knob_conv cg_io_rbps, cg_io_wbps, cg_io_riops, cg_io_wiops;
