-- Sessions of the MQTT Service. The row of a session gives the numbers of its
-- messages and counts them: it stays locked until the transaction ends.

CREATE TABLE message_sessions (
	key      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant   BIGINT NOT NULL,
	client   TEXT COLLATE "C" NOT NULL,
	state    BYTEA NOT NULL,
	last     BIGINT NOT NULL,
	messages BIGINT NOT NULL,
	bytes    BIGINT NOT NULL,
	UNIQUE (tenant, client)
);

CREATE TABLE message_queue (
	session     BIGINT NOT NULL,
	number      BIGINT NOT NULL,
	qos         BIGINT NOT NULL,
	retained    BOOLEAN NOT NULL,
	released    BOOLEAN NOT NULL,
	identifiers TEXT COLLATE "C" NOT NULL,
	expires     BIGINT NOT NULL,
	size        BIGINT NOT NULL,
	body        BYTEA NOT NULL,
	PRIMARY KEY (session, number)
);

-- Packet IDs of publishes of QoS 2 that their client has not released.
CREATE TABLE message_received (
	session BIGINT NOT NULL,
	packet  BIGINT NOT NULL,
	PRIMARY KEY (session, packet)
);

CREATE TABLE message_retained (
	tenant  BIGINT NOT NULL,
	topic   TEXT COLLATE "C" NOT NULL,
	lane    BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	body    BYTEA NOT NULL,
	PRIMARY KEY (tenant, topic, lane)
);
