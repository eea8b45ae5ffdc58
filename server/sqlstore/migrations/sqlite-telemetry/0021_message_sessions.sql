-- Sessions of the MQTT Service. The row of a session gives the numbers of its
-- messages and counts them: it stays locked until the transaction ends.

CREATE TABLE message_sessions (
	key      INTEGER PRIMARY KEY,
	tenant   INTEGER NOT NULL,
	client   TEXT NOT NULL,
	state    BLOB NOT NULL,
	last     INTEGER NOT NULL,
	messages INTEGER NOT NULL,
	bytes    INTEGER NOT NULL,
	UNIQUE (tenant, client)
) STRICT;

CREATE TABLE message_queue (
	session     INTEGER NOT NULL,
	number      INTEGER NOT NULL,
	qos         INTEGER NOT NULL,
	retained    INTEGER NOT NULL,
	released    INTEGER NOT NULL,
	identifiers TEXT NOT NULL,
	expires     INTEGER NOT NULL,
	size        INTEGER NOT NULL,
	body        BLOB NOT NULL,
	PRIMARY KEY (session, number)
) STRICT, WITHOUT ROWID;

-- Packet IDs of publishes of QoS 2 that their client has not released.
CREATE TABLE message_received (
	session INTEGER NOT NULL,
	packet  INTEGER NOT NULL,
	PRIMARY KEY (session, packet)
) STRICT, WITHOUT ROWID;

CREATE TABLE message_retained (
	tenant  INTEGER NOT NULL,
	topic   TEXT NOT NULL,
	lane    INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	body    BLOB NOT NULL,
	PRIMARY KEY (tenant, topic, lane)
) STRICT, WITHOUT ROWID;
