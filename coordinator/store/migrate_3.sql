-- Brings a file of schema 2 to schema 3: what is known of orphans and who
-- decided about them.
ALTER TABLE orphan ADD COLUMN first_seen INT NOT NULL DEFAULT 0;
ALTER TABLE orphan ADD COLUMN native TEXT NOT NULL DEFAULT '';
ALTER TABLE orphan ADD COLUMN vm TEXT NOT NULL DEFAULT '';
ALTER TABLE orphan ADD COLUMN actor TEXT NOT NULL DEFAULT '';
UPDATE orphan SET first_seen = seen;
CREATE TABLE prereq(
	kind INT NOT NULL, conn TEXT NOT NULL, key_id TEXT NOT NULL,
	zone TEXT NOT NULL, ending INT NOT NULL,
	PRIMARY KEY(conn, key_id, kind, zone)
) WITHOUT ROWID;
-- What becomes of a VM that vanishes, and what namespaces may spend.
ALTER TABLE mcis ADD COLUMN vanish TEXT NOT NULL DEFAULT 'report';
CREATE TABLE quota(
	ns TEXT PRIMARY KEY,
	max_vms INT, max_cost INT,
	allow_unknown INT NOT NULL
) WITHOUT ROWID;
-- Where a cloud's prices are read from, if it does not tell them.
ALTER TABLE conn ADD COLUMN prices TEXT;
