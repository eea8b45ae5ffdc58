package registration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// BulkStatus is what became of a row.
type BulkStatus string

// The states, as on the wire (rest.md §5.2).
const (
	BulkCreated           BulkStatus = "CREATED"
	BulkFailed            BulkStatus = "FAILED"
	BulkCredentialUpdated BulkStatus = "CREDENTIAL_UPDATED"
)

// BulkRow tells of one row.
type BulkRow struct {
	ExternalID string // may be empty if the row failed
	Status     BulkStatus
	Reason     string // of a failure, for people
	Line       string // of a failure: which row it was, without any secret
}

// BulkResult tells what became of a file. All = Created + len(Updated) +
// len(Failed).
type BulkResult struct {
	All     int
	Created int
	Updated []BulkRow
	Failed  []BulkRow
}

// Successful counts the rows that did not fail.
func (r BulkResult) Successful() int { return r.Created + len(r.Updated) }

// Bulk registers the devices of a CSV file. Each row is a transaction of its
// own: a broken one fails alone. When it returns, the managed objects, external
// IDs and device users of the others exist.
//
// Errors: those of a file that cannot be read at all, problem.Invalid or
// TooLarge; Unavailable and Internal if the store fails, in which case the rows
// before stay registered and the file can be sent again.
func (s *Service) Bulk(ctx context.Context, actor platform.Principal, csv io.Reader) (BulkResult, error) {
	t, err := readTable(csv)
	if err != nil {
		return BulkResult{}, err
	}
	headerErr := checkHeader(t.header)
	simple := isSimple(t.header)
	result := BulkResult{All: len(t.lines)}
	for i, line := range t.lines {
		r, err := t.row(line, headerErr)
		var status BulkStatus
		if err == nil {
			status, err = s.registerRow(ctx, actor, r, simple)
		}
		if fatal(err) {
			return result, fmt.Errorf("row %d of bulk registration: %w", i+1, err)
		}
		result.add(actor.Tenant, r.externalID, status, err)
	}
	s.log.Info("devices registered in bulk", "tenant", actor.Tenant, "user", actor.User,
		"all", result.All, "created", result.Created, "updated", len(result.Updated), "failed", len(result.Failed))
	return result, nil
}

func (t *table) row(line string, headerErr error) (row, error) {
	cells, err := t.cells(line)
	if headerErr != nil {
		return row{}, headerErr
	}
	if err != nil {
		return row{}, err
	}
	if len(cells) != len(t.header) {
		return row{}, fmt.Errorf("the row has %d cells, the header %d", len(cells), len(t.header))
	}
	return parseRow(t.header, cells)
}

// fatal tells a failing store from a bad row, whose errors are plain or say
// what is wrong with it.
func fatal(err error) bool {
	if err == nil {
		return false
	}
	var stored *storeError
	return errors.As(err, &stored)
}

// storeError marks what is not the row's fault.
type storeError struct{ error }

func (e *storeError) Unwrap() error { return e.error }

func (r *BulkResult) add(tenant platform.TenantID, externalID string, status BulkStatus, err error) {
	switch {
	case err != nil:
		reason := err.Error()
		if p, ok := errors.AsType[*problem.Error](err); ok {
			reason = p.Detail
		}
		r.Failed = append(r.Failed, BulkRow{
			ExternalID: externalID, Status: BulkFailed, Reason: reason,
			Line: fmt.Sprintf("DeviceInfo{id='%s', tenant='%s'}", externalID, tenant),
		})
	case status == BulkCreated:
		r.Created++
	default:
		r.Updated = append(r.Updated, BulkRow{ExternalID: externalID, Status: status})
	}
}

func (s *Service) registerRow(ctx context.Context, actor platform.Principal, r row, simple bool) (BulkStatus, error) {
	if err := r.check(simple); err != nil {
		return "", err
	}
	tenant, err := tenantOf(actor, r.tenant)
	if err != nil {
		return "", fmt.Errorf("only the management tenant may name another in TENANT")
	}
	now := platform.Millis(s.now())
	reg := platform.Registration{
		Tenant: tenant, ExternalID: r.externalID, Status: platform.StatusAccepted, Owner: actor.User, Type: r.objectType, Created: now,
	}
	if simple {
		return s.registerSimple(ctx, actor, reg, r.groups, now)
	}
	if err := s.checkLimit(ctx, tenant); err != nil {
		return "", rowError(err)
	}
	cmd := platform.RegisterDevice{Registration: reg}
	if err := s.fill(ctx, &cmd, r, now); err != nil {
		return "", &storeError{err}
	}
	done, err := s.store.Register(ctx, cmd, record(reg, actor, "registered", now))
	if err != nil {
		return "", rowError(err)
	}
	if err := s.tell(ctx, cmd, done); err != nil {
		return "", rowError(err)
	}
	if done.Created {
		return BulkCreated, nil
	}
	return BulkCredentialUpdated, nil
}

// registerSimple makes an ordinary request; its groups are made at once, and the
// device is put there when it fetches its password.
func (s *Service) registerSimple(ctx context.Context, actor platform.Principal, reg platform.Registration, groups []string, now time.Time) (BulkStatus, error) {
	if err := s.checkFree(ctx, reg.Tenant, reg.ExternalID); err != nil {
		return "", rowError(err)
	}
	if err := s.checkLimit(ctx, reg.Tenant); err != nil {
		return "", rowError(err)
	}
	reg.Status, reg.HandsOut = platform.StatusWaiting, true
	cmd := platform.RegisterDevice{Registration: reg}
	if err := s.addGroups(ctx, &cmd, groups); err != nil {
		return "", &storeError{err}
	}
	if _, err := s.store.Register(ctx, cmd, record(reg, actor, "registered", now)); err != nil {
		return "", rowError(err)
	}
	return BulkCreated, nil
}

// rowError keeps what tells of the row and marks the rest as the store's.
func rowError(err error) error {
	switch problem.KindOf(err) {
	case problem.Conflict:
		return problem.New(problem.Conflict, "An external ID is in use by another device.", err)
	case problem.NotFound:
		return problem.New(problem.NotFound, "There is no such tenant.", err)
	case problem.Unprocessable, problem.Invalid:
		return err
	}
	return &storeError{err}
}

// fill adds to cmd what is to exist after the row: object, names, user, groups.
func (s *Service) fill(ctx context.Context, cmd *platform.RegisterDevice, r row, now time.Time) (err error) {
	tenant := cmd.Registration.Tenant
	user := &platform.DeviceUser{
		Tenant: tenant, ExternalID: r.externalID, Credential: platform.CredentialCertificate, Enabled: true, Created: now,
	}
	switch {
	case !r.byCertificate():
		user.Credential = platform.CredentialPassword
		user.Password, err = s.macs.MAC(ctx, tenant, deviceid.DeviceUser(r.externalID), r.password)
	case !r.otp.IsZero():
		cmd.Registration.OTP, err = s.macs.MAC(ctx, tenant, r.externalID, r.otp)
	}
	if err != nil {
		return fmt.Errorf("hash password: %w", err)
	}
	cmd.User = user
	cmd.ExternalIDs = r.externalIDs()
	if cmd.Object, err = s.object(ctx, r, tenant, now); err != nil {
		return err
	}
	return s.addGroups(ctx, cmd, r.groups)
}

func (s *Service) addGroups(ctx context.Context, cmd *platform.RegisterDevice, groups []string) error {
	cmd.Groups = groups
	for range groups {
		id, err := s.ids.NewID(ctx)
		if err != nil {
			return fmt.Errorf("new ID: %w", err)
		}
		cmd.GroupIDs = append(cmd.GroupIDs, id)
	}
	return nil
}

func (s *Service) object(ctx context.Context, r row, tenant platform.TenantID, now time.Time) (platform.ManagedObject, error) {
	fragments, err := r.fragments()
	if err != nil {
		return platform.ManagedObject{}, err
	}
	id, err := s.ids.NewID(ctx)
	if err != nil {
		return platform.ManagedObject{}, fmt.Errorf("new ID: %w", err)
	}
	name := r.name
	if name == "" {
		name = r.externalID
	}
	return platform.ManagedObject{
		ID: id, Tenant: tenant, Name: name, Type: r.objectType, Owner: deviceid.DeviceUser(r.externalID),
		Created: now, Updated: now, Fragments: fragments,
	}, nil
}
