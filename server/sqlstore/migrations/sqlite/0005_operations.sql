-- What devices are told to do. Operations outlive their device.
CREATE TABLE operations (
	tenant      INTEGER NOT NULL REFERENCES tenants (key),
	id          INTEGER NOT NULL,
	device      INTEGER NOT NULL,
	agent       INTEGER NOT NULL,
	device_name TEXT NOT NULL,
	status      TEXT NOT NULL,
	reason      TEXT NOT NULL,
	created     INTEGER NOT NULL,
	updated     INTEGER NOT NULL,
	creator     TEXT NOT NULL,
	bulk        INTEGER NOT NULL, -- 0: none
	deliveries  BLOB NOT NULL,    -- JSON list of milliseconds
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX operations_of_device ON operations (tenant, device, id);
CREATE INDEX operations_of_device_by_status ON operations (tenant, device, status, id);
CREATE INDEX operations_of_agent ON operations (tenant, agent, status, id);
CREATE INDEX operations_by_status ON operations (tenant, status, updated);
CREATE INDEX operations_of_bulk ON operations (tenant, bulk, id);

CREATE TABLE operation_fragments (
	tenant    INTEGER NOT NULL,
	operation INTEGER NOT NULL,
	name      TEXT NOT NULL,
	value     BLOB NOT NULL, -- JSON as it came
	PRIMARY KEY (tenant, operation, name),
	FOREIGN KEY (tenant, operation) REFERENCES operations (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX operation_fragments_by_name ON operation_fragments (tenant, name, operation);

-- One order for many devices, carried out one after the other.
CREATE TABLE bulk_operations (
	tenant    INTEGER NOT NULL REFERENCES tenants (key),
	id        INTEGER NOT NULL,
	status    TEXT NOT NULL,
	next      INTEGER NOT NULL, -- when the next operation is due
	body      BLOB NOT NULL,    -- JSON
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX bulk_operations_due ON bulk_operations (status, next);
