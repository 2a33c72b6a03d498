/*
 * install_msg.c - see install_msg.h. Pure.
 */
#include "coordinator/remote/install_msg.h"

#include "common/pure/num.h"
#include "common/pure/str.h"

#include <string.h>

enum field_kind {
	F_WORD, /* into char[size] */
	F_DIGEST, /* 64 hex digits or "-" */
	F_FLAG,
	F_NUMBER,
};

#define FIELD_OF(s, name, kind, member)                                 \
	{                                                               \
		name, kind, offsetof(s, member), sizeof((s *)0)->member \
	}
#define FIELD(name, kind, member) \
	FIELD_OF(struct install_probe, name, kind, member)
#define TOOLS_FIELD(name, kind, member) \
	FIELD_OF(struct tools_probe, name, kind, member)

struct field {
	const char *name;
	enum field_kind kind;
	size_t offset, size;
};

static const struct field fields[] = {
	FIELD("arch", F_WORD, arch),
	FIELD("gzip", F_FLAG, gzip),
	FIELD("systemd", F_FLAG, systemd),
	FIELD("cert", F_FLAG, cert),
	FIELD("up", F_FLAG, up),
	FIELD("freeKiB", F_NUMBER, free_kib),
	FIELD("stateKiB", F_NUMBER, state_kib),
	FIELD("now", F_NUMBER, now_s),
	FIELD("agent", F_DIGEST, agent),
	FIELD("ping", F_DIGEST, ping),
	FIELD("stamp", F_DIGEST, stamp),
};

static bool
plain(const char *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i] <= ' ' || v[i] > '~')
			return false;
	}
	return n > 0;
}

static bool
take_text(const struct field *f, const char *v, size_t n, char *at)
{
	uint8_t bytes[32];

	if (n >= f->size || !plain(v, n))
		return false;
	memcpy(at, v, n);
	at[n] = '\0';
	return f->kind == F_WORD || strcmp(at, "-") == 0 ||
	    (n == 64 && str_unhex(at, bytes, sizeof bytes));
}

static bool
take_field(const struct field *f, const char *v, size_t n, void *out)
{
	char *at = (char *)out + f->offset;
	int64_t num;

	if (f->kind == F_WORD || f->kind == F_DIGEST)
		return take_text(f, v, n, at);
	if (!num_parse_i64(v, n, 0, f->kind == F_FLAG ? 1 : INT64_C(1) << 50,
		&num))
		return false;
	if (f->kind == F_FLAG)
		*(bool *)(void *)at = num == 1;
	else
		*(int64_t *)(void *)at = num;
	return true;
}

/* "HEAD k=v k=v ...": each field once at least; unknown keys are left out. */
static bool
parse_fields(const char *line, const char *head, const struct field *f,
    size_t nf, void *out, struct mw_err *err)
{
	unsigned seen = 0;
	const char *p = line;

	if (!str_starts(line, head))
		return err_set(err, MW_PROTO, 0, "not a probe line");
	for (p += strlen(head); *p;) {
		size_t n = strcspn(p, " ");
		const char *eq = memchr(p, '=', n);

		for (size_t i = 0; eq && i < nf; i++) {
			size_t k = strlen(f[i].name);

			if ((size_t)(eq - p) != k ||
			    memcmp(p, f[i].name, k) != 0)
				continue;
			if (!take_field(&f[i], eq + 1, n - k - 1, out))
				return err_set(err, MW_PROTO, 0,
				    "probe: bad %s", f[i].name);
			seen |= 1u << i;
		}
		p += n;
		p += *p == ' ';
	}
	for (size_t i = 0; i < nf; i++) {
		if (!(seen & 1u << i))
			return err_set(err, MW_PROTO, 0, "probe: no %s",
			    f[i].name);
	}
	return true;
}

bool
install_probe_parse(const char *line, struct install_probe *out,
    struct mw_err *err)
{
	*out = (struct install_probe){ .arch = "" };
	return parse_fields(line, "mw probe ", fields, ARRAY_LEN(fields), out,
	    err);
}

bool
tools_probe_parse(const char *line, struct tools_probe *out, struct mw_err *err)
{
	static const struct field tools_fields[] = {
		TOOLS_FIELD("sysbench", F_FLAG, sysbench),
		TOOLS_FIELD("mariadb", F_FLAG, mariadb),
		TOOLS_FIELD("lite", F_DIGEST, lite),
	};

	*out = (struct tools_probe){ .lite = "" };
	return parse_fields(line, "mw tools ", tools_fields,
	    ARRAY_LEN(tools_fields), out, err);
}

bool
install_package_parse(const char *line, const char *word, const char **name)
{
	size_t n = strlen(word);

	if (!str_starts(line, "mw ") || strncmp(line + 3, word, n) != 0 ||
	    line[3 + n] != ' ')
		return false;
	*name = line + 4 + n;
	n = strlen(*name);
	return n < 64 && plain(*name, n);
}

bool
install_fail_parse(const char *line, char code[32], const char **text)
{
	static const char head[] = "mw fail ";
	size_t n;

	if (!str_starts(line, head))
		return false;
	line += sizeof head - 1;
	n = strcspn(line, " ");
	if (n == 0 || n > 31 || !plain(line, n))
		return false;
	memcpy(code, line, n);
	code[n] = '\0';
	*text = line + n + (line[n] == ' ');
	return true;
}

bool
install_fail_definite(const char *code)
{
	static const char *const definite[] = { "noSpace", "noSudo", "noExec",
		"noTool", "noUser", "wrongArch", "noManager" };

	for (size_t i = 0; i < ARRAY_LEN(definite); i++) {
		if (strcmp(code, definite[i]) == 0)
			return true;
	}
	return false;
}
