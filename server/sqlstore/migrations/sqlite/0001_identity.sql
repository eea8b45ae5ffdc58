-- Times are milliseconds since 1970 UTC. Texts that are keys compare by bytes.

CREATE TABLE meta (
	key   TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tenants (
	key     INTEGER PRIMARY KEY,
	id      TEXT NOT NULL UNIQUE,
	domain  TEXT UNIQUE,
	created INTEGER NOT NULL,
	live    INTEGER NOT NULL -- 0: only its number exists
) STRICT;

-- Keys of the instance belong to the management tenant from the start.
INSERT INTO tenants (key, id, created, live) VALUES (1, 'management', 0, 0);

CREATE TABLE id_sequence (next INTEGER NOT NULL) STRICT;
INSERT INTO id_sequence (next) VALUES (1);

CREATE TABLE change_head (number INTEGER NOT NULL) STRICT;
INSERT INTO change_head (number) VALUES (0);

CREATE TABLE changes (
	number INTEGER PRIMARY KEY,
	tenant INTEGER NOT NULL REFERENCES tenants (key),
	kind   TEXT NOT NULL,
	key    TEXT NOT NULL
) STRICT;

CREATE TABLE users (
	tenant        INTEGER NOT NULL REFERENCES tenants (key),
	name          TEXT NOT NULL,
	password_hash TEXT NOT NULL,
	roles         TEXT NOT NULL,
	enabled       INTEGER NOT NULL,
	email         TEXT NOT NULL,
	first_name    TEXT NOT NULL,
	last_name     TEXT NOT NULL,
	created       INTEGER NOT NULL,
	password_set  INTEGER NOT NULL,
	PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE options (
	tenant   INTEGER NOT NULL REFERENCES tenants (key),
	category TEXT NOT NULL,
	key      TEXT NOT NULL,
	value    TEXT NOT NULL,
	PRIMARY KEY (tenant, category, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE device_users (
	tenant      INTEGER NOT NULL REFERENCES tenants (key),
	external_id TEXT NOT NULL,
	credential  TEXT NOT NULL,
	mac_key     TEXT NOT NULL,
	mac         BLOB NOT NULL,
	enabled     INTEGER NOT NULL,
	created     INTEGER NOT NULL,
	PRIMARY KEY (tenant, external_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE provisioned (
	tenant      INTEGER NOT NULL,
	external_id TEXT NOT NULL,
	serial      TEXT NOT NULL,
	not_before  INTEGER NOT NULL,
	not_after   INTEGER NOT NULL,
	first_seen  INTEGER NOT NULL,
	PRIMARY KEY (tenant, external_id, serial),
	FOREIGN KEY (tenant, external_id) REFERENCES device_users (tenant, external_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE registration_epochs (
	tenant      INTEGER NOT NULL REFERENCES tenants (key),
	external_id TEXT NOT NULL,
	epoch       INTEGER NOT NULL,
	PRIMARY KEY (tenant, external_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE registrations (
	tenant       INTEGER NOT NULL REFERENCES tenants (key),
	external_id  TEXT NOT NULL,
	status       TEXT NOT NULL,
	owner        TEXT NOT NULL,
	otp_key      TEXT NOT NULL,
	otp_mac      BLOB NOT NULL,
	type         TEXT NOT NULL,
	group_id     INTEGER NOT NULL,
	created      INTEGER NOT NULL,
	epoch        INTEGER NOT NULL,
	spent_serial TEXT, -- the certificate the OTP bought; NULL: unspent
	PRIMARY KEY (tenant, external_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE trusted (
	seq               INTEGER PRIMARY KEY,
	tenant            INTEGER NOT NULL REFERENCES tenants (key),
	fingerprint       TEXT NOT NULL UNIQUE, -- over the whole instance
	certificate       BLOB NOT NULL,
	name              TEXT NOT NULL,
	enabled           INTEGER NOT NULL,
	auto_registration INTEGER NOT NULL,
	is_tenant_ca      INTEGER NOT NULL,
	proven            INTEGER NOT NULL,
	created           INTEGER NOT NULL,
	subject           BLOB NOT NULL,
	key_hash          BLOB NOT NULL,
	not_after         INTEGER NOT NULL
) STRICT;
CREATE INDEX trusted_of_tenant ON trusted (tenant, seq);

CREATE TABLE revocations (
	tenant INTEGER NOT NULL REFERENCES tenants (key),
	serial TEXT NOT NULL,
	at     INTEGER NOT NULL,
	PRIMARY KEY (tenant, serial)
) STRICT, WITHOUT ROWID;

CREATE TABLE sealed_keys (
	seq     INTEGER PRIMARY KEY,
	tenant  INTEGER NOT NULL REFERENCES tenants (key),
	purpose TEXT NOT NULL,
	key_id  TEXT NOT NULL,
	sealed  BLOB NOT NULL,
	created INTEGER NOT NULL,
	UNIQUE (tenant, purpose, key_id)
) STRICT;

CREATE TABLE issuers (
	tenant      INTEGER PRIMARY KEY REFERENCES tenants (key),
	key_id      TEXT NOT NULL,
	certificate BLOB NOT NULL,
	created     INTEGER NOT NULL
) STRICT;

CREATE TABLE issued (
	seq         INTEGER PRIMARY KEY,
	tenant      INTEGER NOT NULL REFERENCES tenants (key),
	serial      TEXT NOT NULL,
	external_id TEXT NOT NULL,
	key_hash    BLOB NOT NULL,
	certificate BLOB NOT NULL,
	not_before  INTEGER NOT NULL,
	not_after   INTEGER NOT NULL,
	issued_at   INTEGER NOT NULL,
	UNIQUE (tenant, serial)
) STRICT;
CREATE INDEX issued_of_device ON issued (tenant, external_id, issued_at);

CREATE TABLE objects (
	tenant  INTEGER NOT NULL REFERENCES tenants (key),
	id      INTEGER NOT NULL,
	name    TEXT NOT NULL,
	type    TEXT NOT NULL,
	owner   TEXT NOT NULL,
	folded  TEXT NOT NULL, -- name and type in lower case, for searches
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX objects_by_name ON objects (tenant, name);
CREATE INDEX objects_by_type ON objects (tenant, type);
CREATE INDEX objects_by_owner ON objects (tenant, owner);

CREATE TABLE fragments (
	tenant INTEGER NOT NULL,
	object INTEGER NOT NULL,
	name   TEXT NOT NULL,
	value  BLOB NOT NULL, -- JSON as it came
	PRIMARY KEY (tenant, object, name),
	FOREIGN KEY (tenant, object) REFERENCES objects (tenant, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX fragments_by_name ON fragments (tenant, name, object);

CREATE TABLE external_ids (
	tenant INTEGER NOT NULL,
	type   TEXT NOT NULL,
	value  TEXT NOT NULL,
	object INTEGER NOT NULL,
	PRIMARY KEY (tenant, type, value),
	FOREIGN KEY (tenant, object) REFERENCES objects (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX external_ids_of_object ON external_ids (tenant, object);

CREATE TABLE links (
	tenant INTEGER NOT NULL,
	parent INTEGER NOT NULL,
	kind   TEXT NOT NULL,
	child  INTEGER NOT NULL,
	PRIMARY KEY (tenant, parent, kind, child),
	FOREIGN KEY (tenant, parent) REFERENCES objects (tenant, id) ON DELETE CASCADE,
	FOREIGN KEY (tenant, child) REFERENCES objects (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX links_of_child ON links (tenant, child, kind);

CREATE TABLE audits (
	tenant    INTEGER NOT NULL REFERENCES tenants (key),
	id        INTEGER NOT NULL,
	at        INTEGER NOT NULL,
	type      TEXT NOT NULL,
	activity  TEXT NOT NULL,
	text      TEXT NOT NULL,
	user_name TEXT NOT NULL,
	severity  TEXT NOT NULL,
	source    TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE refusals (
	seq              INTEGER PRIMARY KEY,
	tenant           INTEGER NOT NULL REFERENCES tenants (key),
	cn               TEXT NOT NULL,
	at               INTEGER NOT NULL,
	door             TEXT NOT NULL,
	address          TEXT NOT NULL,
	reason           TEXT NOT NULL,
	detail           TEXT NOT NULL,
	leaf_subject     TEXT NOT NULL,
	leaf_issuer      TEXT NOT NULL,
	leaf_serial      TEXT NOT NULL,
	leaf_fingerprint BLOB NOT NULL,
	leaf_not_before  INTEGER NOT NULL,
	leaf_not_after   INTEGER NOT NULL
) STRICT;
CREATE INDEX refusals_of_name ON refusals (tenant, cn, at);
CREATE INDEX refusals_of_tenant ON refusals (tenant, seq);
