-- The bytes of files have a database file of their own, so that a long upload
-- delays nothing else.

CREATE TABLE binaries (
	number   INTEGER PRIMARY KEY, -- an ID of the instance
	tenant   INTEGER NOT NULL,
	object   INTEGER NOT NULL,
	at       INTEGER NOT NULL,
	length   INTEGER NOT NULL,
	complete INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX binaries_of_object ON binaries (tenant, object) WHERE complete;
CREATE INDEX binaries_of_tenant ON binaries (tenant, length) WHERE complete; -- what they add up to

CREATE TABLE binary_chunks (
	upload INTEGER NOT NULL REFERENCES binaries (number) ON DELETE CASCADE,
	number INTEGER NOT NULL,
	data   BLOB NOT NULL,
	PRIMARY KEY (upload, number)
) STRICT;
