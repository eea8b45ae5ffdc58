-- What is proved of TPMs, and which ones a tenant takes.
CREATE TABLE attestations (
	tenant       INTEGER NOT NULL,
	serial       TEXT NOT NULL,
	external_id  TEXT NOT NULL,
	ek_hash      BLOB NOT NULL,
	pinned       INTEGER NOT NULL,
	manufacturer TEXT NOT NULL,
	model        TEXT NOT NULL,
	firmware     TEXT NOT NULL,
	PRIMARY KEY (tenant, serial),
	FOREIGN KEY (tenant, serial) REFERENCES issued (tenant, serial) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX attestations_of_tpm ON attestations (tenant, ek_hash, external_id);

CREATE TABLE tpm_makers (
	tenant      INTEGER NOT NULL REFERENCES tenants (key),
	fingerprint TEXT NOT NULL,
	certificate BLOB NOT NULL,
	created     INTEGER NOT NULL,
	PRIMARY KEY (tenant, fingerprint)
) STRICT, WITHOUT ROWID;

CREATE TABLE tpm_pins (
	tenant      INTEGER NOT NULL REFERENCES tenants (key),
	external_id TEXT NOT NULL,
	ek_hash     BLOB NOT NULL,
	PRIMARY KEY (tenant, external_id)
) STRICT, WITHOUT ROWID;
