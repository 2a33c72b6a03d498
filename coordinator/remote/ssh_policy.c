/*
 * ssh_policy.c - see ssh_policy.h.
 */
#include "coordinator/remote/ssh_policy.h"

#include "common/pure/str.h"

bool
ssh_policy_set(LIBSSH2_SESSION *session, const char *host_key)
{
	static const struct {
		int method;
		const char *list;
	} prefs[] = {
		{ LIBSSH2_METHOD_KEX,
		    "curve25519-sha256,curve25519-sha256@libssh.org,"
		    "ecdh-sha2-nistp256,diffie-hellman-group16-sha512" },
		{ LIBSSH2_METHOD_CRYPT_CS, "aes128-ctr,aes256-ctr" },
		{ LIBSSH2_METHOD_CRYPT_SC, "aes128-ctr,aes256-ctr" },
		{ LIBSSH2_METHOD_MAC_CS, "hmac-sha2-256,hmac-sha2-512" },
		{ LIBSSH2_METHOD_MAC_SC, "hmac-sha2-256,hmac-sha2-512" },
		{ LIBSSH2_METHOD_COMP_CS, "none" },
		{ LIBSSH2_METHOD_COMP_SC, "none" },
	};
	const char *keys = "ssh-ed25519,ecdsa-sha2-nistp256";

	/* ask for the type that is pinned, or another key of the same host
	 * would look like a changed one */
	if (host_key && str_starts(host_key, "ssh-ed25519 "))
		keys = "ssh-ed25519";
	else if (host_key)
		keys = "ecdsa-sha2-nistp256";
	for (size_t i = 0; i < ARRAY_LEN(prefs); i++) {
		if (libssh2_session_method_pref(session, prefs[i].method,
			prefs[i].list))
			return false;
	}
	return libssh2_session_method_pref(session, LIBSSH2_METHOD_HOSTKEY,
		   keys) == 0;
}
