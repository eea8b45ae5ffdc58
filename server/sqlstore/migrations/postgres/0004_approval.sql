-- The key that asked to enrol and waits for, or has, the operator's word.
ALTER TABLE registrations ADD COLUMN asked_key BYTEA NOT NULL DEFAULT '';
