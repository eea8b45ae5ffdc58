-- Roles that people have on single objects.
CREATE TABLE inventory_roles (
	tenant      BIGINT NOT NULL REFERENCES tenants (key),
	id          BIGINT NOT NULL,
	name        TEXT COLLATE "C" NOT NULL,
	description TEXT COLLATE "C" NOT NULL,
	permissions BYTEA NOT NULL, -- JSON
	PRIMARY KEY (tenant, id),
	UNIQUE (tenant, name)
);

CREATE TABLE inventory_assignments (
	tenant BIGINT NOT NULL,
	person TEXT COLLATE "C" NOT NULL,
	id     BIGINT NOT NULL,
	object BIGINT NOT NULL,
	roles  TEXT COLLATE "C" NOT NULL, -- IDs, with spaces between
	PRIMARY KEY (tenant, person, id),
	UNIQUE (tenant, person, object),
	FOREIGN KEY (tenant, person) REFERENCES users (tenant, name) ON DELETE CASCADE,
	FOREIGN KEY (tenant, object) REFERENCES objects (tenant, id) ON DELETE CASCADE
);
CREATE INDEX inventory_assignments_of_object ON inventory_assignments (tenant, object);

-- Subscriptions go with their object from now on; these were left behind.
DELETE FROM notification_subscriptions WHERE context = 'mo'
	AND NOT EXISTS (SELECT 1 FROM objects o WHERE o.tenant = notification_subscriptions.tenant AND o.id = notification_subscriptions.source);
