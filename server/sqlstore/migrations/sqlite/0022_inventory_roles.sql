-- Roles that people have on single objects.
CREATE TABLE inventory_roles (
	tenant      INTEGER NOT NULL REFERENCES tenants (key),
	id          INTEGER NOT NULL,
	name        TEXT NOT NULL,
	description TEXT NOT NULL,
	permissions BLOB NOT NULL, -- JSON
	PRIMARY KEY (tenant, id),
	UNIQUE (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE inventory_assignments (
	tenant INTEGER NOT NULL,
	person TEXT NOT NULL,
	id     INTEGER NOT NULL,
	object INTEGER NOT NULL,
	roles  TEXT NOT NULL, -- IDs, with spaces between
	PRIMARY KEY (tenant, person, id),
	UNIQUE (tenant, person, object),
	FOREIGN KEY (tenant, person) REFERENCES users (tenant, name) ON DELETE CASCADE,
	FOREIGN KEY (tenant, object) REFERENCES objects (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX inventory_assignments_of_object ON inventory_assignments (tenant, object);

-- Subscriptions go with their object from now on; these were left behind.
DELETE FROM notification_subscriptions WHERE context = 'mo'
	AND NOT EXISTS (SELECT 1 FROM objects o WHERE o.tenant = notification_subscriptions.tenant AND o.id = notification_subscriptions.source);
