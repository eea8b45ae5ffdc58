package sqlstore

import "context"

// dialect is what the two engines say differently.
type dialect struct {
	name string
	// begin starts a transaction that will write.
	begin string
	// lockRow ends a SELECT whose row the command is going to depend on. SQLite
	// has one writer, so it needs none.
	lockRow string
	// alarmLock makes the nodes' transactions that change alarms take turns: a
	// batch changes many, in any order, and would run into those of another.
	alarmLock string
	// lookup makes the context of a look-up by an index out of the command's. SQLite's
	// driver starts a goroutine for each query whose context can end; one that
	// takes microseconds is better left alone.
	lookup func(context.Context) context.Context
	// nudge tells the other nodes, once the transaction is committed, that there
	// are changes; empty: there are no other nodes.
	nudge string
	// position is the function (text, part) that is positive if part is in text.
	position string
	// within asks whether the bytes part are in the bytes all.
	within func(part, all string) string
	// migrationLock keeps two nodes from migrating at once; it holds until the end
	// of the transaction.
	migrationLock string
	// indexed is the text by which a table is read through an index of that name.
	// SQLite, which keeps no statistics here, may else take one that fits worse.
	indexed func(table, index string) string
	// alarmAudits is the table that takes the audit rows of alarms: the log itself,
	// or in another file what is on its way there (outbox.go).
	alarmAudits string
	// bulk inserts measurements. In SQLite one row a statement is the fastest.
	bulk []bulkInsert
	// classify gives an error of the engine its kind.
	classify func(error) error
	// again tells that a whole transaction failed only because of another one.
	again func(error) bool
}

var sqliteDialect = &dialect{
	name:     "sqlite",
	begin:    "BEGIN IMMEDIATE",
	lookup:   context.WithoutCancel,
	position: "instr",
	indexed:  func(table, index string) string { return table + " INDEXED BY " + index },
	within:   func(part, all string) string { return "instr(" + all + ", " + part + ") > 0" },
	bulk:     bulkInserts(1),

	alarmAudits: outboxTable,
	classify:    classifySQLite,
	again:       func(error) bool { return false },
}

var postgresDialect = &dialect{
	name:          "postgres",
	begin:         "BEGIN",
	lookup:        func(ctx context.Context) context.Context { return ctx },
	lockRow:       " FOR NO KEY UPDATE",
	position:      "strpos",
	within:        func(part, all string) string { return "position(CAST(" + part + " AS BYTEA) IN " + all + ") > 0" },
	nudge:         "SELECT pg_notify('" + changeChannel + "', '')",
	migrationLock: "SELECT pg_advisory_xact_lock(7235421906)", // numbers that are ours alone in the database
	alarmLock:     "SELECT pg_advisory_xact_lock(7235421907)",
	indexed:       func(table, _ string) string { return table },
	alarmAudits:   "audits",
	bulk:          bulkInserts(64, 8, 1),
	classify:      classifyPostgres,
	again:         isSerializationFailure,
}
