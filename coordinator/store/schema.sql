-- schema.sql - all tables of the coordinator's database, newest version.
-- Each module owns the section with its name; an older file is brought here by
-- the migrations in store_db.c. Times are nanoseconds since 1970 (wall clock).
PRAGMA application_id = 1297563993;
PRAGMA user_version = 4;

-- [store]
CREATE TABLE migration(version INTEGER PRIMARY KEY, at INT NOT NULL);
INSERT INTO migration(version, at) VALUES(4, 0);
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
	verified INT NOT NULL, verified_reason TEXT,
	prices TEXT,			-- file {spec: cost per hour}
	ca_file TEXT,			-- trusted instead of the system's
	ssh_from TEXT,			-- NULL: as the setting says
	zones TEXT			-- of its region, blanks between
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
	json TEXT NOT NULL,		-- without its env
	variant TEXT NOT NULL DEFAULT 'std',
	env INT,			-- NULL: not told
	slim INT NOT NULL DEFAULT 0,	-- 1: samples are past their time
	-- Beside the JSON for the evaluation, which reads many results.
	profile TEXT NOT NULL DEFAULT '',
	n_valid INT NOT NULL DEFAULT 0,
	ci_lo REAL, ci_hi REAL, mad_cv REAL,	-- NULL: unknown
	replay INT NOT NULL DEFAULT 0,	-- 1: replayed by the twin
	UNIQUE(slot, gen, boot, seq, part)
);
CREATE INDEX result_mcis ON result(ns, mcis, kind, id);
CREATE INDEX result_spec ON result(conn, spec, kind, id);
CREATE INDEX result_at ON result(slim, at);
-- Holds all that the evaluation reads: no JSON is touched.
CREATE INDEX result_eval ON result(kind, conn, spec, slot, variant, profile, env,
	replay, validity, at, gen, value, n_valid, ci_lo, ci_hi, mad_cv, ns,
	mcis, vm);
-- What a result was measured on and with; equal ones are one row.
CREATE TABLE env(
	id INTEGER PRIMARY KEY,
	hash TEXT NOT NULL UNIQUE,	-- envHash: only these are compared
	json TEXT NOT NULL
);
-- What the tool printed, deflated. Named by rawRef of results.
CREATE TABLE raw(
	hash TEXT PRIMARY KEY,		-- "sha256:..." of the text
	at INT NOT NULL,
	body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX raw_at ON raw(at);

-- [schedule]
CREATE TABLE schedule(
	ns TEXT NOT NULL, mcis TEXT NOT NULL, id TEXT NOT NULL,
	json TEXT NOT NULL,		-- as it was put
	enabled INT NOT NULL,
	created INT NOT NULL,
	anchor INT NOT NULL,		-- everyS counts from here
	due INT, next INT,		-- NULL: paused; next: due, put off
	tries INT NOT NULL,		-- of the load guard, for this due time
	last INT, last_end INT,		-- begin and end of the newest run
	last_action TEXT, last_run TEXT, last_outcome TEXT, last_reason TEXT,
	last_missed INT NOT NULL,	-- due times that the run stands for
	runs INT NOT NULL, missed INT NOT NULL,
	skipped INT NOT NULL,		-- in a row
	PRIMARY KEY(ns, mcis, id)
) WITHOUT ROWID;

-- [mesh]
-- Who took part, in the order of rows and columns; shared by rounds.
CREATE TABLE rtt_set(
	id INTEGER PRIMARY KEY,
	members TEXT NOT NULL UNIQUE	-- JSON: vm, slot, gen, site
);
CREATE TABLE rtt_round(
	id INTEGER PRIMARY KEY,		-- shown as m-N
	ns TEXT NOT NULL, mcis TEXT NOT NULL,
	t0 INT NOT NULL, t1 INT NOT NULL,
	k INT NOT NULL, window_ms INT NOT NULL,
	n INT NOT NULL, rtt_set INT NOT NULL
);
CREATE INDEX rtt_round_mcis ON rtt_round(ns, mcis, t1);
-- One row of a round: the cells of one source, common/pure/matrix_cell.h.
CREATE TABLE rtt_row(
	id INTEGER PRIMARY KEY,		-- slot << 32 | round
	cells BLOB NOT NULL
);
-- The rounds of a day (UTC) as one, and one row of it.
CREATE TABLE rtt_fold(
	ns TEXT NOT NULL, mcis TEXT NOT NULL,
	day INT NOT NULL,		-- since 1970
	rounds INT NOT NULL, t1 INT NOT NULL,	-- end of the newest
	rtt_set INT NOT NULL,
	PRIMARY KEY(ns, mcis, day)
) WITHOUT ROWID;
CREATE TABLE rtt_day(
	id INTEGER PRIMARY KEY,		-- slot << 32 | day
	cells BLOB NOT NULL
);

-- [host]
-- Host metrics of a minute and of an hour, see db_host.c.
CREATE TABLE host_min(
	id INTEGER PRIMARY KEY,		-- slot << 32 | minutes since 1970
	v BLOB NOT NULL
);
CREATE TABLE host_hour(
	id INTEGER PRIMARY KEY,		-- slot << 32 | hours since 1970
	v BLOB NOT NULL
);

-- [place]
CREATE TABLE placement(
	id INTEGER PRIMARY KEY,		-- shown as pl-N
	at INT NOT NULL,
	status TEXT NOT NULL,
	query TEXT NOT NULL,
	answer TEXT NOT NULL,
	members TEXT NOT NULL,		-- JSON per rank: group, connection, spec
	relied TEXT			-- JSON: limits and times, drift_relied.h
);

-- [drift]
-- An MCIS that was made from a placement.
CREATE TABLE drift(
	mcis INTEGER PRIMARY KEY,
	placement INT NOT NULL, rank INT NOT NULL, at INT NOT NULL,
	query TEXT NOT NULL,		-- the placement's question
	limits TEXT NOT NULL,		-- JSON: stat, op, limits by roles
	vms TEXT NOT NULL,		-- JSON: slot, role, connection, spec
	state INT NOT NULL, told INT NOT NULL,	-- told: in the last event
	since INT NOT NULL,
	judged INT NOT NULL,		-- end of the newest round judged
	event INT NOT NULL,		-- number of the last one, 0: none
	move TEXT			-- JSON: what would mend it
);
-- Two slots of it that have a limit, a < b; drift_rule.h.
CREATE TABLE drift_pair(
	mcis INT NOT NULL, a INT NOT NULL, b INT NOT NULL,
	gen_a INT NOT NULL, gen_b INT NOT NULL,
	relied_us INT, relied_n INT, relied_at INT,
	state INT NOT NULL, told INT NOT NULL, since INT NOT NULL,
	over INT NOT NULL, below INT NOT NULL, met INT NOT NULL,
	missed INT NOT NULL, age INT NOT NULL, stale INT NOT NULL,
	PRIMARY KEY(mcis, a, b)
) WITHOUT ROWID;

-- [lifecycle]
CREATE TABLE ns(name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE mcis(
	id INTEGER PRIMARY KEY,		-- never reused: meta lc_next_mcis
	ns TEXT NOT NULL, name TEXT NOT NULL,
	description TEXT NOT NULL, labels TEXT NOT NULL,
	require_agent INT NOT NULL, policy TEXT NOT NULL,
	forget INT NOT NULL, key_id TEXT NOT NULL, created INT NOT NULL,
	vanish TEXT NOT NULL DEFAULT 'report',	-- or replace
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
	first_seen INT NOT NULL DEFAULT 0,
	native TEXT NOT NULL DEFAULT '',
	vm TEXT NOT NULL DEFAULT '',	-- "ns/mcis/vm" of its tags
	actor TEXT NOT NULL DEFAULT '',	-- who decided; "": the sweep
	PRIMARY KEY(conn, csp_id)
) WITHOUT ROWID;

-- [prereq] what VMs need in their clouds: 0 network, 1 security group, 2 key
CREATE TABLE prereq(
	kind INT NOT NULL, conn TEXT NOT NULL, key_id TEXT NOT NULL,
	zone TEXT NOT NULL, ending INT NOT NULL,
	asked INT NOT NULL DEFAULT 1,	-- 0: no answer is owed to us
	sure INT NOT NULL DEFAULT 0,	-- since then
	PRIMARY KEY(conn, key_id, kind, zone)
) WITHOUT ROWID;

-- [quota]
CREATE TABLE quota(
	ns TEXT PRIMARY KEY,		-- "": all namespaces together
	max_vms INT, max_cost INT,	-- micro-USD an hour; NULL: no limit
	allow_unknown INT NOT NULL	-- 1: unknown prices count as nothing
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
