CREATE TABLE notification_subscriptions (
	id             INTEGER PRIMARY KEY,
	tenant         INTEGER NOT NULL REFERENCES tenants (key),
	context        TEXT NOT NULL,
	source         INTEGER NOT NULL,
	name           TEXT NOT NULL,
	non_persistent INTEGER NOT NULL,
	apis           TEXT NOT NULL,
	type_filter    TEXT NOT NULL,
	fragments      TEXT NOT NULL,
	created        INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX notification_subscriptions_once ON notification_subscriptions (tenant, source, name, non_persistent, context);

-- Who reads the messages of a persistent topic, connected or not.
CREATE TABLE notification_consumers (
	tenant     INTEGER NOT NULL REFERENCES tenants (key),
	topic      TEXT NOT NULL,
	subscriber TEXT NOT NULL,
	created    INTEGER NOT NULL,
	PRIMARY KEY (tenant, topic, subscriber)
) STRICT, WITHOUT ROWID;
