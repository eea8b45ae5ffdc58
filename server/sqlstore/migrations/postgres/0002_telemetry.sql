CREATE TABLE measurements (
	id     BIGINT NOT NULL,
	tenant BIGINT NOT NULL,
	source BIGINT NOT NULL,
	type   TEXT COLLATE "C" NOT NULL,
	time   BIGINT NOT NULL,
	body   BYTEA NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX measurements_of_source ON measurements (tenant, source, time, id);
CREATE INDEX measurements_of_tenant ON measurements (tenant, time, id);

CREATE TABLE events (
	id      BIGINT NOT NULL,
	tenant  BIGINT NOT NULL,
	source  BIGINT NOT NULL,
	type    TEXT COLLATE "C" NOT NULL,
	text    TEXT COLLATE "C" NOT NULL,
	time    BIGINT NOT NULL,
	created BIGINT NOT NULL,
	updated BIGINT NOT NULL,
	body    BYTEA NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX events_of_source ON events (tenant, source, time, id);
CREATE INDEX events_of_tenant ON events (tenant, time, id);

CREATE TABLE alarms (
	id               BIGINT NOT NULL,
	tenant           BIGINT NOT NULL,
	source           BIGINT NOT NULL,
	type             TEXT COLLATE "C" NOT NULL,
	text             TEXT COLLATE "C" NOT NULL,
	severity         TEXT COLLATE "C" NOT NULL,
	status           TEXT COLLATE "C" NOT NULL,
	time             BIGINT NOT NULL,
	first_occurrence BIGINT NOT NULL,
	count            BIGINT NOT NULL,
	created          BIGINT NOT NULL,
	updated          BIGINT NOT NULL,
	body             BYTEA NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX alarms_of_source ON alarms (tenant, source, time, id);
CREATE INDEX alarms_of_tenant ON alarms (tenant, time, id);
CREATE UNIQUE INDEX alarms_open ON alarms (tenant, source, type) WHERE status <> 'CLEARED';

CREATE TABLE staged (
	tenant  BIGINT NOT NULL,
	device  TEXT COLLATE "C" NOT NULL,
	packet  BIGINT NOT NULL,
	topic   TEXT COLLATE "C" NOT NULL,
	payload BYTEA NOT NULL,
	at      BIGINT NOT NULL,
	PRIMARY KEY (tenant, device, packet)
);
