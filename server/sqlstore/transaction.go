package sqlstore

import (
	"fmt"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// transaction carries out the commands of a batch on one connection.
type transaction struct {
	session
	begun bool // from here on it is not sure that nothing was written
}

func (t *transaction) begin() error {
	err := t.run(t.d.begin)
	t.begun = t.begun || err == nil
	return err
}

// carryOut commits the batch. If it is optimistic, or the command is alone, it
// hopes that no command fails.
func (t *transaction) carryOut(batch []*command, optimistic bool) ([]platform.Change, error) {
	if optimistic || len(batch) == 1 {
		changes, err, failed := t.plain(batch)
		if !failed {
			return changes, err
		}
	}
	return t.withSavepoints(batch)
}

// plain runs the batch without savepoints. failed tells that a command failed
// for reasons of its own: nothing was written, and the batch has to be run
// withSavepoints.
func (t *transaction) plain(batch []*command) (changes []platform.Change, err error, failed bool) {
	if err := t.begin(); err != nil {
		return nil, err, false
	}
	for _, c := range batch {
		made, err := t.command(c)
		if err != nil {
			return t.giveUp(err)
		}
		changes = append(changes, made...)
	}
	if err := t.flush(); err != nil {
		return t.giveUp(err)
	}
	return changes, t.commit(), false
}

// giveUp ends what plain began.
func (t *transaction) giveUp(err error) ([]platform.Change, error, bool) {
	t.rollback()
	if isFatal(err) {
		return nil, err, false
	}
	return nil, nil, true
}

// withSavepoints runs the batch so that a command that fails takes back only
// what it did itself.
func (t *transaction) withSavepoints(batch []*command) ([]platform.Change, error) {
	if err := t.begin(); err != nil {
		return nil, err
	}
	var changes []platform.Change
	for _, c := range batch {
		made, err := t.saved(c)
		if err != nil {
			t.rollback()
			return nil, err
		}
		changes = append(changes, made...)
	}
	return changes, t.commit()
}

// saved runs one command within a savepoint. The error is one that ends the
// transaction; the command's own is left in it.
func (t *transaction) saved(c *command) ([]platform.Change, error) {
	if err := t.run("SAVEPOINT command"); err != nil {
		return nil, err
	}
	changes, err := t.command(c)
	if err == nil {
		err = t.flush()
	}
	if isFatal(err) {
		return nil, err
	}
	c.err = err
	if err != nil {
		t.drop()
		t.known.forget()
		if err := t.run("ROLLBACK TO SAVEPOINT command"); err != nil {
			return nil, unavailable(fmt.Errorf("roll back a command that failed with %v: %w", c.err, err))
		}
		changes = nil
	}
	return changes, t.run("RELEASE SAVEPOINT command")
}

// command runs c and numbers its changes.
func (t *transaction) command(c *command) ([]platform.Change, error) {
	t.changes = nil
	if err := c.run(&t.session); err != nil {
		return nil, err
	}
	return t.numberChanges()
}

func (t *transaction) commit() error {
	err := t.run("COMMIT")
	if err == nil {
		return nil
	}
	t.rollback()
	if problem.KindOf(err) == problem.Internal {
		err = unavailable(err) // whatever it was, the batch is not durable
	}
	return err
}

// rollback fails only if there is nothing to roll back: SQLite does it itself
// after some errors.
func (t *transaction) rollback() {
	t.drop()
	t.known.forget()
	_ = t.run("ROLLBACK")
}
