-- An ID is unique over the instance, so it is the row's number: new rows go to
-- the end of the table, and the indexes hold nothing but numbers; the one by
-- tenant and time grows at its end too.

CREATE TABLE measurements (
	id     INTEGER PRIMARY KEY,
	tenant INTEGER NOT NULL,
	source INTEGER NOT NULL,
	type   TEXT NOT NULL,
	time   INTEGER NOT NULL,
	body   BLOB NOT NULL
) STRICT;
CREATE INDEX measurements_of_source ON measurements (tenant, source, time);
CREATE INDEX measurements_of_tenant ON measurements (tenant, time);

CREATE TABLE events (
	id      INTEGER PRIMARY KEY,
	tenant  INTEGER NOT NULL,
	source  INTEGER NOT NULL,
	type    TEXT NOT NULL,
	text    TEXT NOT NULL,
	time    INTEGER NOT NULL,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	body    BLOB NOT NULL
) STRICT;
CREATE INDEX events_of_source ON events (tenant, source, time);
CREATE INDEX events_of_tenant ON events (tenant, time);

CREATE TABLE alarms (
	id               INTEGER PRIMARY KEY,
	tenant           INTEGER NOT NULL,
	source           INTEGER NOT NULL,
	type             TEXT NOT NULL,
	text             TEXT NOT NULL,
	severity         TEXT NOT NULL,
	status           TEXT NOT NULL,
	time             INTEGER NOT NULL,
	first_occurrence INTEGER NOT NULL,
	count            INTEGER NOT NULL,
	created          INTEGER NOT NULL,
	updated          INTEGER NOT NULL,
	body             BLOB NOT NULL
) STRICT;
CREATE INDEX alarms_of_source ON alarms (tenant, source, time);
CREATE INDEX alarms_of_tenant ON alarms (tenant, time);
CREATE UNIQUE INDEX alarms_open ON alarms (tenant, source, type) WHERE status <> 'CLEARED';

CREATE TABLE staged (
	tenant  INTEGER NOT NULL,
	device  TEXT NOT NULL,
	packet  INTEGER NOT NULL,
	topic   TEXT NOT NULL,
	payload BLOB NOT NULL,
	at      INTEGER NOT NULL,
	PRIMARY KEY (tenant, device, packet)
) STRICT, WITHOUT ROWID;
