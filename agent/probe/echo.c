/*
 * echo.c - echo frames, their MAC, the responder's memory, the schedule.
 * Promises: a frame is parsed whole or not at all; nothing is allocated per
 * packet. Called by mesh.c.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* see struct echo_key */
#include "agent/probe/echo.h"

#include "common/pure/alloc.h"
#include "common/pure/rng.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

#define MAC_AT 56
#define MAC_BYTES 16

static const uint8_t magic[4] = { 'M', 'W', 'E', '1' };

/*
 * The EVP interface of OpenSSL 3 allocates for every message and costs more
 * than the hash itself; these states are copied instead. RFC 2104.
 */
struct echo_key {
	SHA256_CTX inner, outer;
};

struct echo_key *
echo_key_new(const uint8_t key[32])
{
	struct echo_key *k = xmalloc(sizeof *k);
	uint8_t pad[SHA256_CBLOCK];

	memset(pad, 0x36, sizeof pad);
	for (size_t i = 0; i < 32; i++)
		pad[i] ^= key[i];
	SHA256_Init(&k->inner);
	SHA256_Update(&k->inner, pad, sizeof pad);
	for (size_t i = 0; i < sizeof pad; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	SHA256_Init(&k->outer);
	SHA256_Update(&k->outer, pad, sizeof pad);
	OPENSSL_cleanse(pad, sizeof pad);
	return k;
}

void
echo_key_free(struct echo_key *k)
{
	if (k == NULL)
		return;
	OPENSSL_cleanse(k, sizeof *k);
	free(k);
}

static void
mac_of(const struct echo_key *k, const uint8_t *p, uint8_t out[MAC_BYTES])
{
	uint8_t md[SHA256_DIGEST_LENGTH];
	SHA256_CTX c = k->inner;

	SHA256_Update(&c, p, MAC_AT);
	SHA256_Final(md, &c);
	c = k->outer;
	SHA256_Update(&c, md, sizeof md);
	SHA256_Final(md, &c);
	memcpy(out, md, MAC_BYTES);
}

static void
put(uint8_t *p, uint64_t v, size_t bytes)
{
	while (bytes-- > 0) {
		p[bytes] = (uint8_t)v;
		v >>= 8;
	}
}

static uint64_t
get(const uint8_t *p, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | p[i];
	return v;
}

void
echo_seal(const struct echo_key *k, const struct echo_frame *f,
    uint8_t out[ECHO_BYTES])
{
	memset(out, 0, ECHO_BYTES);
	memcpy(out, magic, sizeof magic);
	out[4] = 1;
	out[5] = (uint8_t)f->type;
	put(out + 6, f->flags, 2);
	put(out + 8, f->src, 4);
	put(out + 12, f->dst, 4);
	put(out + 16, f->round, 8);
	put(out + 24, f->seq, 4);
	put(out + 32, (uint64_t)f->t1, 8);
	put(out + 40, (uint64_t)f->t2, 8);
	put(out + 48, (uint64_t)f->t3, 8);
	mac_of(k, out, out + MAC_AT);
}

bool
echo_parse(const uint8_t *p, size_t n, struct echo_frame *f)
{
	if (n != ECHO_BYTES || memcmp(p, magic, sizeof magic) != 0 ||
	    p[4] != 1 || (p[5] != ECHO_REQUEST && p[5] != ECHO_REPLY) ||
	    get(p + 28, 4) != 0)
		return false;
	f->type = (enum echo_type)p[5];
	f->flags = (uint16_t)get(p + 6, 2);
	f->src = (uint32_t)get(p + 8, 4);
	f->dst = (uint32_t)get(p + 12, 4);
	f->round = get(p + 16, 8);
	f->seq = (uint32_t)get(p + 24, 4);
	f->t1 = (int64_t)get(p + 32, 8);
	f->t2 = (int64_t)get(p + 40, 8);
	f->t3 = (int64_t)get(p + 48, 8);
	return true;
}

bool
echo_authentic(const struct echo_key *k, const uint8_t p[ECHO_BYTES])
{
	uint8_t mac[MAC_BYTES];

	mac_of(k, p, mac);
	return CRYPTO_memcmp(mac, p + MAC_AT, MAC_BYTES) == 0;
}

/* FNV-1a: the key already belongs to one round, this only names it. */
uint64_t
echo_round_number(const char *round_id)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *round_id != '\0'; round_id++)
		h = (h ^ (uint8_t)*round_id) * UINT64_C(0x100000001b3);
	return h;
}

void
echo_gate_init(struct echo_gate *g, uint64_t round, uint32_t self, uint32_t n,
    uint32_t sweeps)
{
	assert(self < n && n <= ECHO_MEMBERS_MAX);
	assert(sweeps > 0 && sweeps <= ECHO_SWEEPS_MAX);
	*g = (struct echo_gate){ round, self, n, sweeps,
		xcalloc(n, sizeof *g->seen) };
}

void
echo_gate_free(struct echo_gate *g)
{
	free(g->seen);
	g->seen = NULL;
}

bool
echo_gate_pass(struct echo_gate *g, const struct echo_frame *f)
{
	uint32_t bit;

	if (f->type != ECHO_REQUEST || f->round != g->round ||
	    f->dst != g->self || f->src >= g->n || f->src == g->self ||
	    f->seq >= g->sweeps)
		return false;
	bit = UINT32_C(1) << f->seq;
	if (g->seen[f->src] & bit)
		return false;
	g->seen[f->src] |= bit;
	return true;
}

bool
echo_initiates(uint32_t self, uint32_t dst, uint32_t sweep)
{
	return ((self + dst + sweep) % 2 == 0) == (self < dst);
}

void
echo_perm(const struct echo_plan *p, uint32_t sweep, uint32_t *perm)
{
	struct rng r;

	rng_seed(&r, rng_mix(p->seed) ^ rng_mix(sweep));
	for (uint32_t i = 0; i + 1 < p->n; i++)
		perm[i] = i + 1;
	rng_shuffle(&r, perm, p->n - 1);
}

int64_t
echo_due_ns(const struct echo_plan *p, uint32_t self, uint32_t i)
{
	uint64_t steps = (uint64_t)p->sweeps * (p->n - 1);
	uint64_t gap = steps > 0 ? (uint64_t)p->window_ns / steps : 0;
	uint64_t phase = gap > 0 ? rng_mix(p->seed + self) % gap : 0;

	return (int64_t)(i * gap + phase);
}
