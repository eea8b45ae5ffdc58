CREATE TABLE notification_subscriptions (
	id             BIGINT PRIMARY KEY,
	tenant         BIGINT NOT NULL REFERENCES tenants (key),
	context        TEXT COLLATE "C" NOT NULL,
	source         BIGINT NOT NULL,
	name           TEXT COLLATE "C" NOT NULL,
	non_persistent BOOLEAN NOT NULL,
	apis           TEXT COLLATE "C" NOT NULL,
	type_filter    TEXT COLLATE "C" NOT NULL,
	fragments      TEXT COLLATE "C" NOT NULL,
	created        BIGINT NOT NULL
);
CREATE UNIQUE INDEX notification_subscriptions_once ON notification_subscriptions (tenant, source, name, non_persistent, context);

-- Who reads the messages of a persistent topic, connected or not.
CREATE TABLE notification_consumers (
	tenant     BIGINT NOT NULL REFERENCES tenants (key),
	topic      TEXT COLLATE "C" NOT NULL,
	subscriber TEXT COLLATE "C" NOT NULL,
	created    BIGINT NOT NULL,
	PRIMARY KEY (tenant, topic, subscriber)
);

-- A message is kept once, however many read it; a reader is a position. The row
-- of the topic gives the numbers: it stays locked until the transaction ends, so
-- that they become visible in ascending order on every node.

CREATE TABLE notification_topics (
	key    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant BIGINT NOT NULL,
	name   TEXT COLLATE "C" NOT NULL,
	last   BIGINT NOT NULL,
	bytes  BIGINT NOT NULL,
	UNIQUE (tenant, name)
);

CREATE TABLE notification_positions (
	topic      BIGINT NOT NULL,
	subscriber TEXT COLLATE "C" NOT NULL,
	position   BIGINT NOT NULL,
	PRIMARY KEY (topic, subscriber)
);

CREATE TABLE notification_messages (
	topic   BIGINT NOT NULL,
	number  BIGINT NOT NULL,
	api     TEXT COLLATE "C" NOT NULL,
	source  BIGINT NOT NULL,
	action  TEXT COLLATE "C" NOT NULL,
	at      BIGINT NOT NULL,
	size    BIGINT NOT NULL,
	payload BYTEA NOT NULL,
	PRIMARY KEY (topic, number)
);
CREATE INDEX notification_messages_by_age ON notification_messages (at);
