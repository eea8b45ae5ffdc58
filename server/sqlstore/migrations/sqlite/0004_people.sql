-- What a person's record holds besides a name.
ALTER TABLE users ADD COLUMN groups TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN phone TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN display_name TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN custom BLOB NOT NULL DEFAULT X'';
ALTER TABLE users ADD COLUMN reset_password INTEGER NOT NULL DEFAULT 0;

-- Logins that were ended before they expire.
CREATE TABLE ended_sessions (
	tenant INTEGER NOT NULL REFERENCES tenants (key),
	id     TEXT NOT NULL,
	until  INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- What a device that asks for its password is held to.
ALTER TABLE registrations ADD COLUMN hands_out INTEGER NOT NULL DEFAULT 0;
ALTER TABLE registrations ADD COLUMN operator_key TEXT NOT NULL DEFAULT '';
ALTER TABLE registrations ADD COLUMN operator_mac BLOB NOT NULL DEFAULT X'';
ALTER TABLE registrations ADD COLUMN device_key TEXT NOT NULL DEFAULT '';
ALTER TABLE registrations ADD COLUMN device_mac BLOB NOT NULL DEFAULT X'';
ALTER TABLE registrations ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE registrations ADD COLUMN custom BLOB NOT NULL DEFAULT X'';
UPDATE registrations SET hands_out = 1 WHERE otp_key = '' AND status = 'WAITING_FOR_CONNECTION';
CREATE INDEX registrations_by_id ON registrations (external_id);
