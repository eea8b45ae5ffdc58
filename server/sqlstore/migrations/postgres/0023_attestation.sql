-- What is proved of TPMs, and which ones a tenant takes.
CREATE TABLE attestations (
	tenant       BIGINT NOT NULL,
	serial       TEXT COLLATE "C" NOT NULL,
	external_id  TEXT COLLATE "C" NOT NULL,
	ek_hash      BYTEA NOT NULL,
	pinned       BOOLEAN NOT NULL,
	manufacturer TEXT COLLATE "C" NOT NULL,
	model        TEXT COLLATE "C" NOT NULL,
	firmware     TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, serial),
	FOREIGN KEY (tenant, serial) REFERENCES issued (tenant, serial) ON DELETE CASCADE
);
CREATE INDEX attestations_of_tpm ON attestations (tenant, ek_hash, external_id);

CREATE TABLE tpm_makers (
	tenant      BIGINT NOT NULL REFERENCES tenants (key),
	fingerprint TEXT COLLATE "C" NOT NULL,
	certificate BYTEA NOT NULL,
	created     BIGINT NOT NULL,
	PRIMARY KEY (tenant, fingerprint)
);

CREATE TABLE tpm_pins (
	tenant      BIGINT NOT NULL REFERENCES tenants (key),
	external_id TEXT COLLATE "C" NOT NULL,
	ek_hash     BYTEA NOT NULL,
	PRIMARY KEY (tenant, external_id)
);
