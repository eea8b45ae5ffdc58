-- Groups of people that a tenant made or changed.
CREATE TABLE user_groups (
	tenant      INTEGER NOT NULL REFERENCES tenants (key),
	id          INTEGER NOT NULL,
	name        TEXT NOT NULL,
	description TEXT NOT NULL DEFAULT '',
	roles       TEXT NOT NULL DEFAULT '',
	custom      BLOB NOT NULL DEFAULT X'',
	PRIMARY KEY (tenant, id),
	UNIQUE (tenant, name)
) STRICT, WITHOUT ROWID;

-- A person's groups are told by ID from now on; there were three, with fixed names.
UPDATE users SET groups = replace(replace(replace(groups, 'admins', '1'), 'business', '2'), 'readers', '3');
