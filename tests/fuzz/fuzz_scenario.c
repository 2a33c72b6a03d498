/*
 * fuzz_scenario.c - any bytes as a scenario: refused with file and line, or
 * steps within their limits.
 */
#include "tests/sim/scenario.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The parser's own: the simulator that knows all faults is not linked. */
enum sim_fault
sim_fault_of(const char *name)
{
	return str_eq(name, "late") ? SIM_F_LATE : SIM_FAULTS;
}

void
sim_opt_defaults(struct sim_opt *o)
{
	*o = (struct sim_opt){ .seed = 1 };
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scenario *s = xcalloc(1, sizeof *s);
	struct mw_err err = MW_ERR_INIT;

	if (scn_parse("f", (const char *)data, size, s, &err)) {
		assert(s->n > 0 && s->n <= SCN_STEPS_MAX);
		assert(s->opt.nconns > 0 && s->opt.nconns <= SIM_CONNS);
		for (size_t i = 0; i < s->n; i++) {
			const struct scn_step *t = &s->steps[i];

			assert(t->what < SCN_DOS && t->nn <= SIM_CONNS);
			assert(t->t >= 0 && t->t <= SCN_TIME_MAX);
			assert(i == 0 || t->line > t[-1].line);
		}
	} else {
		assert(err.code != MW_OK && strncmp(err.msg, "f:", 2) == 0);
	}
	free(s);
	return 0;
}
