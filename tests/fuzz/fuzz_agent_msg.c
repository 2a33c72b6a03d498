/*
 * fuzz_agent_msg.c - messages of the coordinator as the agent reads them, and
 * the configuration that enrolment brings.
 */
#include "agent/link/identity.h"
#include "agent/link/msg.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_err err = MW_ERR_INIT;
	struct identity id;
	struct msg m;

	if (msg_parse((const char *)data, size, &m, &err)) {
		if (m.type == MSG_ARM &&
		    (m.arm.self >= m.arm.n || m.arm.n > ECHO_MEMBERS_MAX ||
			m.arm.sweeps == 0 || m.arm.sweeps > ECHO_SWEEPS_MAX))
			abort();
		msg_free(&m);
	}
	(void)!identity_parse_config((const char *)data, size, &id, &err);
	return 0;
}
