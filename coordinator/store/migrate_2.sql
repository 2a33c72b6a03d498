-- Brings a file of schema 1 to schema 2: variants, environments, raw outputs,
-- schedules, matrix rows of 12-byte cells, host metrics, placements watched.
ALTER TABLE result ADD COLUMN variant TEXT NOT NULL DEFAULT 'std';
ALTER TABLE result ADD COLUMN env INT;
ALTER TABLE result ADD COLUMN slim INT NOT NULL DEFAULT 0;
ALTER TABLE result ADD COLUMN profile TEXT NOT NULL DEFAULT '';
ALTER TABLE result ADD COLUMN n_valid INT NOT NULL DEFAULT 0;
ALTER TABLE result ADD COLUMN ci_lo REAL;
ALTER TABLE result ADD COLUMN ci_hi REAL;
ALTER TABLE result ADD COLUMN mad_cv REAL;
ALTER TABLE result ADD COLUMN replay INT NOT NULL DEFAULT 0;
UPDATE result SET
	profile = coalesce(json_extract(json, '$.profile'), ''),
	n_valid = coalesce(json_extract(json, '$.nValid'), 0),
	ci_lo = json_extract(json, '$.ciLow'),
	ci_hi = json_extract(json, '$.ciHigh'),
	mad_cv = json_extract(json, '$.madCv'),
	replay = coalesce(json_extract(json, '$.provenance') = 'replay', 0);
CREATE INDEX result_at ON result(slim, at);
CREATE INDEX result_eval ON result(kind, conn, spec, slot, variant, profile, env,
	replay, validity, at, gen, value, n_valid, ci_lo, ci_hi, mad_cv, ns,
	mcis, vm);
CREATE TABLE env(
	id INTEGER PRIMARY KEY,
	hash TEXT NOT NULL UNIQUE,	-- envHash: only these are compared
	json TEXT NOT NULL
);
CREATE TABLE raw(
	hash TEXT PRIMARY KEY,		-- "sha256:..." of the text
	at INT NOT NULL,
	body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX raw_at ON raw(at);
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
CREATE TABLE host_min(
	id INTEGER PRIMARY KEY,		-- slot << 32 | minutes since 1970
	v BLOB NOT NULL
);
CREATE TABLE host_hour(
	id INTEGER PRIMARY KEY,		-- slot << 32 | hours since 1970
	v BLOB NOT NULL
);
ALTER TABLE placement ADD COLUMN relied TEXT;
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
-- store_migrate.c converts the rounds and drops the old table.
DROP INDEX rtt_round_mcis;
ALTER TABLE rtt_round RENAME TO rtt_round_1;
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
