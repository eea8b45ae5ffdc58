-- The type stands in the index, so that a search by type reads the rows it
-- wants and no others.
DROP INDEX measurements_of_source;
CREATE INDEX measurements_of_source ON measurements (tenant, source, time, type);
DROP INDEX events_of_source;
CREATE INDEX events_of_source ON events (tenant, source, time, type);
DROP INDEX alarms_of_source;
CREATE INDEX alarms_of_source ON alarms (tenant, source, time, type);
CREATE INDEX alarms_unresolved ON alarms (tenant, time) WHERE status <> 'CLEARED';

-- Which series a source has ever sent, and under which type.
CREATE TABLE series (
	tenant   INTEGER NOT NULL,
	source   INTEGER NOT NULL,
	type     TEXT NOT NULL,
	fragment TEXT NOT NULL,
	series   TEXT NOT NULL,
	PRIMARY KEY (tenant, source, type, fragment, series)
) STRICT, WITHOUT ROWID;

INSERT OR IGNORE INTO series (tenant, source, type, fragment, series)
SELECT DISTINCT m.tenant, m.source, m.type, f.key, s.key
FROM (SELECT tenant, source, type, CAST(body AS TEXT) AS body FROM measurements) m,
	json_each(CASE WHEN json_valid(m.body) THEN m.body ELSE '{}' END) f,
	json_each(CASE WHEN f.type = 'object' THEN f.value ELSE '{}' END) s
WHERE f.type = 'object' AND s.type = 'object' AND json_type(s.value, '$.value') IN ('integer', 'real');

-- Audit records of alarms, on their way to the audit log in the other file.
CREATE TABLE audit_outbox (
	tenant      INTEGER NOT NULL,
	id          INTEGER NOT NULL,
	at          INTEGER NOT NULL,
	type        TEXT NOT NULL,
	activity    TEXT NOT NULL,
	text        TEXT NOT NULL,
	user_name   TEXT NOT NULL,
	severity    TEXT NOT NULL,
	source      TEXT NOT NULL,
	application TEXT NOT NULL,
	changes     BLOB NOT NULL,
	created     INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
