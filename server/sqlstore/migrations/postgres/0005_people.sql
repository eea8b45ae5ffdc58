-- What a person's record holds besides a name.
ALTER TABLE users ADD COLUMN groups TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN phone TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN display_name TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN custom BYTEA NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN reset_password BOOLEAN NOT NULL DEFAULT FALSE;

-- Logins that were ended before they expire.
CREATE TABLE ended_sessions (
	tenant BIGINT NOT NULL REFERENCES tenants (key),
	id     TEXT COLLATE "C" NOT NULL,
	until  BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);

-- What a device that asks for its password is held to.
ALTER TABLE registrations ADD COLUMN hands_out BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE registrations ADD COLUMN operator_key TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE registrations ADD COLUMN operator_mac BYTEA NOT NULL DEFAULT '';
ALTER TABLE registrations ADD COLUMN device_key TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE registrations ADD COLUMN device_mac BYTEA NOT NULL DEFAULT '';
ALTER TABLE registrations ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE registrations ADD COLUMN custom BYTEA NOT NULL DEFAULT '';
UPDATE registrations SET hands_out = TRUE WHERE otp_key = '' AND status = 'WAITING_FOR_CONNECTION';
CREATE INDEX registrations_by_id ON registrations (external_id);
