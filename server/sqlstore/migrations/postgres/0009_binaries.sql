-- The bytes of files, in chunks.

CREATE TABLE binaries (
	number   BIGINT PRIMARY KEY, -- an ID of the instance
	tenant   BIGINT NOT NULL REFERENCES tenants (key),
	object   BIGINT NOT NULL,
	at       BIGINT NOT NULL,
	length   BIGINT NOT NULL,
	complete BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX binaries_of_object ON binaries (tenant, object) WHERE complete;
CREATE INDEX binaries_of_tenant ON binaries (tenant, length) WHERE complete; -- what they add up to

CREATE TABLE binary_chunks (
	upload BIGINT NOT NULL REFERENCES binaries (number) ON DELETE CASCADE,
	number BIGINT NOT NULL,
	data   BYTEA NOT NULL,
	PRIMARY KEY (upload, number)
);
-- What is uploaded is mostly compressed already.
ALTER TABLE binary_chunks ALTER COLUMN data SET STORAGE EXTERNAL;
