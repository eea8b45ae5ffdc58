CREATE INDEX audits_of_time ON audits (tenant, at);
CREATE INDEX audits_of_source ON audits (tenant, source) WHERE source <> '';
CREATE INDEX audits_of_user ON audits (tenant, user_name) WHERE user_name <> '';
CREATE INDEX audits_of_type ON audits (tenant, type);
CREATE INDEX refusals_of_time ON refusals (at);

CREATE TABLE retention_rules (
	tenant   INTEGER NOT NULL REFERENCES tenants (key),
	id       INTEGER NOT NULL,
	data     TEXT NOT NULL,
	fragment TEXT NOT NULL,
	type     TEXT NOT NULL,
	source   TEXT NOT NULL,
	days     INTEGER NOT NULL,
	editable INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- Tenants made before there were rules get the one that new tenants get.
INSERT INTO retention_rules (tenant, id, data, fragment, type, source, days, editable)
SELECT key, (SELECT next FROM id_sequence) + row_number() OVER (ORDER BY key) - 1, '*', '*', '*', '*', 60, 1 FROM tenants WHERE live;
UPDATE id_sequence SET next = next + (SELECT count(*) FROM tenants WHERE live);
