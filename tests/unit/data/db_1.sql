-- A database of schema 1 with rows in every table, as its version left it.
-- Never edited: tests bring it up to the newest schema.
-- schema.sql - all tables of the coordinator's database, newest version.
-- Each module owns the section with its name; an older file is brought here by
-- the migrations in store_db.c. Times are nanoseconds since 1970 (wall clock).
PRAGMA application_id = 1297563993;
PRAGMA user_version = 1;

-- [store]
CREATE TABLE migration(version INTEGER PRIMARY KEY, at INT NOT NULL);
INSERT INTO migration(version, at) VALUES(1, 0);
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- [auth]
CREATE TABLE token(
	id TEXT PRIMARY KEY,
	hash BLOB NOT NULL,		-- SHA-256 of the whole text
	label TEXT NOT NULL,
	role INT NOT NULL,
	created INT NOT NULL,
	expires INT			-- NULL: never
) WITHOUT ROWID;

-- [events]
CREATE TABLE event(
	seq INTEGER PRIMARY KEY,
	at INT NOT NULL,
	type TEXT NOT NULL,
	ns TEXT, mcis TEXT, vm TEXT,
	json TEXT NOT NULL
);
CREATE INDEX event_mcis ON event(ns, mcis, seq);

-- [conns]
CREATE TABLE conn(
	id TEXT PRIMARY KEY,
	driver TEXT NOT NULL, csp TEXT NOT NULL, region TEXT NOT NULL,
	display TEXT, endpoint TEXT, credential TEXT,
	lat REAL, lon REAL,		-- NULL: unknown
	verified INT NOT NULL, verified_reason TEXT
) WITHOUT ROWID;
CREATE TABLE spec(
	conn TEXT NOT NULL REFERENCES conn(id) ON DELETE CASCADE,
	name TEXT NOT NULL,
	arch TEXT, vcpu INT NOT NULL, memory_mib INT NOT NULL,
	cost INT,			-- micro units an hour; NULL: unknown
	currency TEXT, cost_reason TEXT,
	PRIMARY KEY(conn, name)
) WITHOUT ROWID;
CREATE TABLE image(
	conn TEXT NOT NULL REFERENCES conn(id) ON DELETE CASCADE,
	id TEXT NOT NULL, name TEXT, user TEXT, arch TEXT,
	PRIMARY KEY(conn, id)
) WITHOUT ROWID;

-- [agents]
CREATE TABLE agent(
	slot INT NOT NULL, gen INT NOT NULL,
	ns TEXT NOT NULL, mcis TEXT NOT NULL, vm TEXT NOT NULL,
	hello TEXT NOT NULL,		-- its last hello, validated
	first_seen INT NOT NULL, last_seen INT NOT NULL,
	PRIMARY KEY(slot, gen)
) WITHOUT ROWID;

-- [bench]
CREATE TABLE run(
	id INTEGER PRIMARY KEY,		-- shown as b-N
	kind TEXT NOT NULL,		-- bench, rtt
	ns TEXT NOT NULL, mcis TEXT NOT NULL,
	action TEXT NOT NULL,
	profile TEXT NOT NULL,
	params TEXT NOT NULL,		-- kinds, seed, targets: JSON
	state TEXT NOT NULL, reason TEXT,
	t0 INT NOT NULL, t1 INT
);
CREATE INDEX run_mcis ON run(ns, mcis, id);
CREATE TABLE run_vm(
	run INT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
	slot INT NOT NULL, gen INT NOT NULL, vm TEXT NOT NULL,
	state TEXT NOT NULL, step TEXT, error TEXT,
	PRIMARY KEY(run, slot)
) WITHOUT ROWID;
CREATE TABLE result(
	id INTEGER PRIMARY KEY,		-- shown as r-N
	run INT, ns TEXT NOT NULL, mcis TEXT NOT NULL, vm TEXT NOT NULL,
	slot INT NOT NULL, gen INT NOT NULL,
	boot TEXT NOT NULL, seq INT NOT NULL,
	part INT NOT NULL,		-- target of an rtt result, else 0
	kind INT NOT NULL, spec TEXT, conn TEXT,
	at INT NOT NULL,
	value REAL,			-- NULL: failed, the JSON says why
	validity INT NOT NULL,
	json TEXT NOT NULL,
	UNIQUE(slot, gen, boot, seq, part)
);
CREATE INDEX result_mcis ON result(ns, mcis, kind, id);
CREATE INDEX result_spec ON result(conn, spec, kind, id);

-- [mesh]
CREATE TABLE rtt_round(
	id INTEGER PRIMARY KEY,		-- shown as m-N
	ns TEXT NOT NULL, mcis TEXT NOT NULL,
	t0 INT NOT NULL, t1 INT NOT NULL,
	k INT NOT NULL, window_ms INT NOT NULL,
	n INT NOT NULL,
	members TEXT NOT NULL,		-- JSON: vm, slot, gen, site
	cells BLOB NOT NULL		-- n * n cells, see db_mesh.c
);
CREATE INDEX rtt_round_mcis ON rtt_round(ns, mcis, id);

-- [place]
CREATE TABLE placement(
	id INTEGER PRIMARY KEY,		-- shown as pl-N
	at INT NOT NULL,
	status TEXT NOT NULL,
	query TEXT NOT NULL,
	answer TEXT NOT NULL,
	members TEXT NOT NULL		-- JSON per rank: group, connection, spec
);

-- [lifecycle]
CREATE TABLE ns(name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE mcis(
	id INTEGER PRIMARY KEY,		-- never reused: meta lc_next_mcis
	ns TEXT NOT NULL, name TEXT NOT NULL,
	description TEXT NOT NULL, labels TEXT NOT NULL,
	require_agent INT NOT NULL, policy TEXT NOT NULL,
	forget INT NOT NULL, key_id TEXT NOT NULL, created INT NOT NULL,
	UNIQUE(ns, name)
);
CREATE TABLE slot(
	id INTEGER PRIMARY KEY,		-- never reused: meta lc_next_slot
	mcis INT NOT NULL,
	grp TEXT NOT NULL, idx INT NOT NULL,
	desired INT NOT NULL,		-- 1 present, 0 absent
	dropping INT NOT NULL, added INT NOT NULL,
	conn TEXT NOT NULL, spec TEXT NOT NULL, image TEXT NOT NULL,
	zone TEXT NOT NULL, sha256 TEXT NOT NULL, labels TEXT NOT NULL,
	gen INT NOT NULL, fails INT NOT NULL, gave_up INT NOT NULL,
	replacing INT NOT NULL, reason TEXT NOT NULL,
	action TEXT NOT NULL, member INT NOT NULL,
	UNIQUE(mcis, grp, idx)
);
-- One row per generation, written before the first call of it. Rows outlive
-- their slot: a token never comes back.
CREATE TABLE inst(
	slot INT NOT NULL, gen INT NOT NULL,
	phase INT NOT NULL,		-- 1 CREATING 2 RUNNING 3 TERMINATING 4 DEAD
	conn TEXT NOT NULL, token TEXT NOT NULL UNIQUE,
	csp_id TEXT NOT NULL,
	attempted INT NOT NULL, unresolved INT NOT NULL,
	verb TEXT NOT NULL, verb_sent INT NOT NULL,
	ever_ran INT NOT NULL,
	native TEXT NOT NULL, class INT NOT NULL,
	public_ip TEXT NOT NULL, private_ip TEXT NOT NULL, zone TEXT NOT NULL,
	ssh_user TEXT NOT NULL, ssh_port INT NOT NULL,
	host_key TEXT NOT NULL, host_key_trust TEXT NOT NULL,
	host_id TEXT NOT NULL, host_slots INT NOT NULL, host_need INT NOT NULL,
	install TEXT NOT NULL, install_step TEXT NOT NULL,
	install_error TEXT NOT NULL, last_error TEXT NOT NULL,
	status TEXT NOT NULL, status_at INT NOT NULL,
	PRIMARY KEY(slot, gen)
) WITHOUT ROWID;
CREATE TABLE region_used(conn TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE orphan(
	conn TEXT NOT NULL, csp_id TEXT NOT NULL,
	slot INT NOT NULL, gen INT NOT NULL,
	decision TEXT NOT NULL, seen INT NOT NULL,
	PRIMARY KEY(conn, csp_id)
) WITHOUT ROWID;

-- [actions]
CREATE TABLE action(
	n INTEGER PRIMARY KEY,		-- shown as ac-N
	kind TEXT NOT NULL, target TEXT NOT NULL, actor TEXT NOT NULL,
	state TEXT NOT NULL, outcome TEXT,
	done INT NOT NULL, failed INT NOT NULL, total INT NOT NULL,
	error_code TEXT, error TEXT, hint TEXT,
	steps TEXT,			-- JSON, when it has ended
	started INT NOT NULL, ended INT NOT NULL,
	act TEXT,			-- NULL: not one of the lifecycle's
	mcis INT, slot INT, policy TEXT, undo INT, canceled INT
);

INSERT INTO meta(key, value)
	VALUES('deployment', 'a0000000-0000-4000-8000-000000000001');
INSERT INTO meta(key, value)
	VALUES('lc_next_slot', '3');
INSERT INTO token(id, hash, label, role, created, expires)
	VALUES('id', x'0011', 'label', 1, 1, 1);
INSERT INTO event(seq, at, type, ns, mcis, vm, json)
	VALUES(1, 1, 'type', 'default', 'mcis', 'vm-1', '{}');
INSERT INTO event(seq, at, type, ns, mcis, vm, json)
	VALUES(2, 1, 'type', 'default', 'mcis', 'vm-1', '{}');
INSERT INTO conn(id, driver, csp, region, display, endpoint, credential, lat, lon, verified, verified_reason)
	VALUES('c1', 'driver', 'csp', 'region', 'display', 'endpoint', 'credential', 37.5, 127.0, 1, 'verified_reason');
INSERT INTO spec(conn, name, arch, vcpu, memory_mib, cost, currency, cost_reason)
	VALUES('c1', 'name', 'arch', 1, 1, 1, 'currency', 'cost_reason');
INSERT INTO image(conn, id, name, user, arch)
	VALUES('c1', 'id', 'name', 'user', 'arch');
INSERT INTO agent(slot, gen, ns, mcis, vm, hello, first_seen, last_seen)
	VALUES(1, 1, 'default', 'mcis', 'vm-1', '{}', 1, 1);
INSERT INTO run(id, kind, ns, mcis, action, profile, params, state, reason, t0, t1)
	VALUES(1, 'kind', 'default', 'mcis', 'action', 'profile', 'params', 'state', 'reason', 1, 1);
INSERT INTO run_vm(run, slot, gen, vm, state, step, error)
	VALUES(1, 1, 1, 'vm-1', 'state', 'step', 'error');
INSERT INTO result(id, run, ns, mcis, vm, slot, gen, boot, seq, part, kind, spec, conn, at, value, validity, json)
	VALUES(1, 1, 'default', 'mcis', 'vm-1', 1, 1, 'boot', 1, 1, 1, 'spec', 'conn', 1, 41.5, 1, '{"profile":"quick","nValid":3,"ciLow":1.5,"ciHigh":2.5,"madCv":0.01,"provenance":"replay","n":1}');
INSERT INTO rtt_round(id, ns, mcis, t0, t1, k, window_ms, n, members, cells)
	VALUES(4, 'default', 'g', 10, 20, 10, 5000, 1, '["vm-1"]', zeroblob(28));
INSERT INTO placement(id, at, status, query, answer, members)
	VALUES(1, 1, 'status', '{}', '{}', '[]');
INSERT INTO ns(name)
	VALUES('name');
INSERT INTO mcis(id, ns, name, description, labels, require_agent, policy, forget, key_id, created)
	VALUES(1, 'default', 'name', 'description', '{}', 1, 'continue', 1, 'key_id', 1);
INSERT INTO slot(id, mcis, grp, idx, desired, dropping, added, conn, spec, image, zone, sha256, labels, gen, fails, gave_up, replacing, reason, action, member)
	VALUES(1, 1, 'grp', 1, 1, 1, 1, 'conn', 'spec', 'image', 'zone', 'sha256', '{}', 1, 1, 1, 1, 'reason', 'action', 1);
INSERT INTO slot(id, mcis, grp, idx, desired, dropping, added, conn, spec, image, zone, sha256, labels, gen, fails, gave_up, replacing, reason, action, member)
	VALUES(2, 1, 'grp', 2, 1, 1, 1, 'conn', 'spec', 'image', 'zone', 'sha256', '{}', 1, 1, 1, 1, 'reason', 'action', 1);
INSERT INTO inst(slot, gen, phase, conn, token, csp_id, attempted, unresolved, verb, verb_sent, ever_ran, native, class, public_ip, private_ip, zone, ssh_user, ssh_port, host_key, host_key_trust, host_id, host_slots, host_need, install, install_step, install_error, last_error, status, status_at)
	VALUES(1, 1, 1, 'conn', 'tok1', 'csp_id', 1, 1, '', 1, 1, 'native', 1, 'public_ip', 'private_ip', 'zone', 'ssh_user', 1, 'host_key', 'host_key_trust', 'host_id', 1, 1, 'ready', 'install_step', 'install_error', 'last_error', 'Running', 1);
INSERT INTO inst(slot, gen, phase, conn, token, csp_id, attempted, unresolved, verb, verb_sent, ever_ran, native, class, public_ip, private_ip, zone, ssh_user, ssh_port, host_key, host_key_trust, host_id, host_slots, host_need, install, install_step, install_error, last_error, status, status_at)
	VALUES(2, 1, 1, 'conn', 'tok2', 'csp_id', 1, 1, '', 1, 1, 'native', 1, 'public_ip', 'private_ip', 'zone', 'ssh_user', 1, 'host_key', 'host_key_trust', 'host_id', 1, 1, 'ready', 'install_step', 'install_error', 'last_error', 'Running', 1);
INSERT INTO region_used(conn)
	VALUES('conn');
INSERT INTO orphan(conn, csp_id, slot, gen, decision, seen)
	VALUES('conn', 'csp_id', 1, 1, 'quarantine', 1);
INSERT INTO action(n, kind, target, actor, state, outcome, done, failed, total, error_code, error, hint, steps, started, ended, act, mcis, slot, policy, undo, canceled)
	VALUES(1, 'kind', 'target', 'actor', 'state', 'outcome', 1, 1, 1, 'error_code', 'error', 'hint', 'steps', 1, 1, 'act', 1, 1, 'policy', 1, 1);
