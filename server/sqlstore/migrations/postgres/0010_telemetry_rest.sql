-- The type stands in the index, so that a search by type reads the rows it
-- wants and no others.
DROP INDEX measurements_of_source;
CREATE INDEX measurements_of_source ON measurements (tenant, source, time, type, id);
DROP INDEX events_of_source;
CREATE INDEX events_of_source ON events (tenant, source, time, type, id);
DROP INDEX alarms_of_source;
CREATE INDEX alarms_of_source ON alarms (tenant, source, time, type, id);
CREATE INDEX alarms_unresolved ON alarms (tenant, time, id) WHERE status <> 'CLEARED';

-- Which series a source has ever sent, and under which type.
CREATE TABLE series (
	tenant   BIGINT NOT NULL,
	source   BIGINT NOT NULL,
	type     TEXT COLLATE "C" NOT NULL,
	fragment TEXT COLLATE "C" NOT NULL,
	series   TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, source, type, fragment, series)
);

DO $fill$
DECLARE m RECORD;
BEGIN
	FOR m IN SELECT tenant, source, type, body FROM measurements LOOP
		BEGIN
			INSERT INTO series (tenant, source, type, fragment, series)
			SELECT m.tenant, m.source, m.type, f.key, s.key
			FROM jsonb_each(convert_from(m.body, 'UTF8')::jsonb) f,
				jsonb_each(CASE WHEN jsonb_typeof(f.value) = 'object' THEN f.value ELSE '{}' END) s
			WHERE jsonb_typeof(s.value) = 'object' AND jsonb_typeof(s.value -> 'value') = 'number'
			ON CONFLICT DO NOTHING;
		EXCEPTION WHEN data_exception THEN
			NULL; -- a body that is no JSON has no series
		END;
	END LOOP;
END
$fill$;

CREATE INDEX audits_of_time ON audits (tenant, at);
CREATE INDEX audits_of_source ON audits (tenant, source, id) WHERE source <> '';
CREATE INDEX audits_of_user ON audits (tenant, user_name, id) WHERE user_name <> '';
CREATE INDEX audits_of_type ON audits (tenant, type, id);
CREATE INDEX refusals_of_time ON refusals (at);

CREATE TABLE retention_rules (
	tenant   BIGINT NOT NULL REFERENCES tenants (key),
	id       BIGINT NOT NULL,
	data     TEXT COLLATE "C" NOT NULL,
	fragment TEXT COLLATE "C" NOT NULL,
	type     TEXT COLLATE "C" NOT NULL,
	source   TEXT COLLATE "C" NOT NULL,
	days     BIGINT NOT NULL,
	editable BOOLEAN NOT NULL,
	PRIMARY KEY (tenant, id)
);

-- Tenants made before there were rules get the one that new tenants get.
INSERT INTO retention_rules (tenant, id, data, fragment, type, source, days, editable)
SELECT key, (SELECT next FROM id_sequence) + row_number() OVER (ORDER BY key) - 1, '*', '*', '*', '*', 60, TRUE FROM tenants WHERE live;
UPDATE id_sequence SET next = next + (SELECT count(*) FROM tenants WHERE live);
