-- What clients add to audit records besides the server's own fields. An empty
-- created is at.
ALTER TABLE audits ADD COLUMN application TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE audits ADD COLUMN changes BYTEA NOT NULL DEFAULT '\x';
ALTER TABLE audits ADD COLUMN created BIGINT NOT NULL DEFAULT 0;
