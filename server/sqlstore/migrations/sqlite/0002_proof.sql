-- The verification code of a proof of possession; its end is the zero time
-- (-62135596800000) while there is none.
ALTER TABLE trusted ADD COLUMN proof_code TEXT NOT NULL DEFAULT '';
ALTER TABLE trusted ADD COLUMN proof_until INTEGER NOT NULL DEFAULT -62135596800000;
