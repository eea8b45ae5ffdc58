-- What clients add to audit records besides the server's own fields. An empty
-- created is at.
ALTER TABLE audits ADD COLUMN application TEXT NOT NULL DEFAULT '';
ALTER TABLE audits ADD COLUMN changes BLOB NOT NULL DEFAULT X'';
ALTER TABLE audits ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
