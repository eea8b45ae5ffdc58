-- What devices are told to do. Operations outlive their device.
CREATE TABLE operations (
	tenant      BIGINT NOT NULL REFERENCES tenants (key),
	id          BIGINT NOT NULL,
	device      BIGINT NOT NULL,
	agent       BIGINT NOT NULL,
	device_name TEXT COLLATE "C" NOT NULL,
	status      TEXT COLLATE "C" NOT NULL,
	reason      TEXT COLLATE "C" NOT NULL,
	created     BIGINT NOT NULL,
	updated     BIGINT NOT NULL,
	creator     TEXT COLLATE "C" NOT NULL,
	bulk        BIGINT NOT NULL, -- 0: none
	deliveries  BYTEA NOT NULL,    -- JSON list of milliseconds
	PRIMARY KEY (tenant, id)
);
CREATE INDEX operations_of_device ON operations (tenant, device, id);
CREATE INDEX operations_of_device_by_status ON operations (tenant, device, status, id);
CREATE INDEX operations_of_agent ON operations (tenant, agent, status, id);
CREATE INDEX operations_by_status ON operations (tenant, status, updated);
CREATE INDEX operations_of_bulk ON operations (tenant, bulk, id);

CREATE TABLE operation_fragments (
	tenant    BIGINT NOT NULL,
	operation BIGINT NOT NULL,
	name      TEXT COLLATE "C" NOT NULL,
	value     BYTEA NOT NULL, -- JSON as it came
	PRIMARY KEY (tenant, operation, name),
	FOREIGN KEY (tenant, operation) REFERENCES operations (tenant, id) ON DELETE CASCADE
);
CREATE INDEX operation_fragments_by_name ON operation_fragments (tenant, name, operation);

-- One order for many devices, carried out one after the other.
CREATE TABLE bulk_operations (
	tenant    BIGINT NOT NULL REFERENCES tenants (key),
	id        BIGINT NOT NULL,
	status    TEXT COLLATE "C" NOT NULL,
	next      BIGINT NOT NULL, -- when the next operation is due
	body      BYTEA NOT NULL,    -- JSON
	PRIMARY KEY (tenant, id)
);
CREATE INDEX bulk_operations_due ON bulk_operations (status, next);
