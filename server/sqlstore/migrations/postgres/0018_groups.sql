-- Groups of people that a tenant made or changed.
CREATE TABLE user_groups (
	tenant      BIGINT NOT NULL REFERENCES tenants (key),
	id          BIGINT NOT NULL,
	name        TEXT COLLATE "C" NOT NULL,
	description TEXT COLLATE "C" NOT NULL DEFAULT '',
	roles       TEXT COLLATE "C" NOT NULL DEFAULT '',
	custom      BYTEA NOT NULL DEFAULT '',
	PRIMARY KEY (tenant, id),
	UNIQUE (tenant, name)
);

-- A person's groups are told by ID from now on; there were three, with fixed names.
UPDATE users SET groups = replace(replace(replace(groups, 'admins', '1'), 'business', '2'), 'readers', '3');
