-- Brings a file of schema 1 to schema 2: variants, environments, raw outputs,
-- schedules, matrix rows of 12-byte cells, host metrics.
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
CREATE TABLE schedule(
	ns TEXT NOT NULL, mcis TEXT NOT NULL, id TEXT NOT NULL,
	json TEXT NOT NULL,		-- as it was put
	enabled INT NOT NULL,
	created INT NOT NULL,
	next INT,			-- NULL: paused
	last INT, last_end INT,		-- begin and end of the newest run
	last_run TEXT, last_outcome TEXT, last_reason TEXT,
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
