-- A message is kept once, however many read it; a reader is a position. The row
-- of the topic gives the numbers: it stays locked until the transaction ends, so
-- that they become visible in ascending order on every node.

CREATE TABLE notification_topics (
	key    INTEGER PRIMARY KEY,
	tenant INTEGER NOT NULL,
	name   TEXT NOT NULL,
	last   INTEGER NOT NULL,
	bytes  INTEGER NOT NULL,
	UNIQUE (tenant, name)
) STRICT;

CREATE TABLE notification_positions (
	topic      INTEGER NOT NULL,
	subscriber TEXT NOT NULL,
	position   INTEGER NOT NULL,
	PRIMARY KEY (topic, subscriber)
) STRICT, WITHOUT ROWID;

CREATE TABLE notification_messages (
	topic   INTEGER NOT NULL,
	number  INTEGER NOT NULL,
	api     TEXT NOT NULL,
	source  INTEGER NOT NULL,
	action  TEXT NOT NULL,
	at      INTEGER NOT NULL,
	size    INTEGER NOT NULL,
	payload BLOB NOT NULL,
	PRIMARY KEY (topic, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX notification_messages_by_age ON notification_messages (at);
