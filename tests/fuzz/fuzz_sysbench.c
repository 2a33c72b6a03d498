/*
 * fuzz_sysbench.c - output of sysbench, both dialects, all kinds. Whatever is
 * accepted gives a finite value.
 */
#include "agent/bench/sysbench.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	enum sysbench_dialect d;
	char version[32];

	for (unsigned k = 0; k < KIND_RTT; k++)
		for (int i = 0; i < 2; i++) {
			struct mw_err err = MW_ERR_INIT;
			struct sysbench_out o;

			if (!sysbench_parse(k, i ? SYSBENCH_1_0 : SYSBENCH_0_4,
				text, size, &o, &err))
				continue;
			if (!isfinite(sysbench_value(k, &o)))
				abort();
			if (k == KIND_CPUS)
				sysbench_hist_add(&o.hist, &o.hist);
		}
	for (unsigned k = LANE_CPUM_SUSTAINED; k <= LANE_FIOW_SUSTAINED; k++) {
		double rate[64];

		if (sysbench_intervals(k, text, size, rate, 64) > 64)
			abort();
	}
	{
		struct mw_err err = MW_ERR_INIT;

		(void)!sysbench_version(text, size, &d, version, &err);
	}
	return 0;
}
