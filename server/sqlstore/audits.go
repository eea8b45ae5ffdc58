package sqlstore

import (
	"context"
	"time"

	"mooring/server/platform"
)

// auditRow is a record ready to be written.
type auditRow struct {
	platform.AuditRecord
	id     platform.ID
	tenant tenantKey
}

// auditIDs reserves an ID for each record that has none.
func (s *Store) auditIDs(ctx context.Context, records []platform.AuditRecord) ([]platform.ID, error) {
	ids := make([]platform.ID, len(records))
	for i, r := range records {
		if ids[i] = r.ID; r.ID != 0 {
			continue
		}
		id, err := s.NewID(ctx)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return ids, nil
}

// auditRows prepares records outside of the command that will write them.
func (s *Store) auditRows(ctx context.Context, records []platform.AuditRecord) ([]auditRow, error) {
	if len(records) == 0 {
		return nil, nil
	}
	ids, err := s.auditIDs(ctx, records)
	if err != nil {
		return nil, err
	}
	rows := make([]auditRow, len(records))
	for i, r := range records {
		key, err := s.tenantKey(ctx, r.Tenant)
		if err != nil {
			return nil, err
		}
		rows[i] = auditRow{AuditRecord: r, id: ids[i], tenant: key}
	}
	return rows, nil
}

const auditColumns = "id, at, type, activity, text, user_name, severity, source, application, changes, created"

func (s *session) insertAudits(rows []auditRow) error {
	for _, r := range rows {
		if err := s.insertAudit(r); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) insertAudit(r auditRow) error { return s.insertAuditInto("audits", r) }

// insertAuditInto writes a row to the log or to the outbox. A row that is there
// is the same: IDs are never given twice.
func (s *session) insertAuditInto(table string, r auditRow) error {
	if r.Severity == "" {
		r.Severity = "information"
	}
	created := int64(0)
	if !r.Created.IsZero() {
		created = r.Created.UnixMilli()
	}
	return s.run("INSERT INTO "+table+" (tenant, "+auditColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (tenant, id) DO NOTHING`,
		r.tenant, r.id, r.At, clean(r.Type), clean(r.Activity), clean(r.Text), clean(r.User), clean(r.Severity), clean(r.Source),
		clean(r.Application), []byte(r.Changes), created)
}

func scanAudit(tenant platform.TenantID) func(*row) platform.AuditRecord {
	return func(r *row) platform.AuditRecord {
		a := platform.AuditRecord{
			Tenant: tenant, ID: r.id(), At: r.time(), Type: r.text(), Activity: r.text(), Text: r.text(),
			User: r.text(), Severity: r.text(), Source: r.text(),
			Application: r.text(), Changes: string(r.bytes()),
		}
		if ms := r.int(); ms != 0 {
			a.Created = time.UnixMilli(ms).UTC()
		}
		return a
	}
}

// AppendAudit implements platform.Audits.
func (s *Store) AppendAudit(ctx context.Context, records ...platform.AuditRecord) error {
	rows, err := s.auditRows(ctx, records)
	if err != nil {
		return err
	}
	return s.identity.do(ctx, func(tx *session) error { return tx.insertAudits(rows) })
}

// AuditRecord implements platform.Audits.
func (s *Store) AuditRecord(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.AuditRecord, error) {
	if err := s.forwardAudits(ctx); err != nil {
		return platform.AuditRecord{}, err
	}
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.AuditRecord, error) {
		return one(tx, "audit record", scanAudit(tenant),
			"SELECT "+auditColumns+" FROM audits WHERE tenant = $1 AND id = $2", t, id)
	})
}

// auditsIndex is the one that finds the fewest records.
func auditsIndex(f platform.AuditFilter) string {
	switch {
	case f.Source != "":
		return "audits_of_source"
	case f.User != "":
		return "audits_of_user"
	case f.Type != "":
		return "audits_of_type"
	}
	return ""
}

func (d *dialect) auditsWhere(columns string, t tenantKey, f platform.AuditFilter) *selection {
	q := selection{columns: columns, from: "audits", order: "id DESC"}
	q.and("tenant = ?", t)
	if index := auditsIndex(f); index != "" {
		q.from = d.indexed("audits", index)
	}
	for _, c := range []struct{ column, value string }{{"source", f.Source}, {"user_name", f.User}} {
		if c.value != "" {
			q.and(c.column + " <> ''") // as the index says it
			q.equal(c.column, c.value)
		}
	}
	q.equal("type", f.Type)
	q.equal("application", f.Application)
	q.between("at", f.From, f.To)
	if f.OldestFirst {
		q.order = "id"
	}
	return &q
}

// AuditRecords implements platform.Audits.
func (s *Store) AuditRecords(ctx context.Context, tenant platform.TenantID, f platform.AuditFilter, page platform.Page) (platform.List[platform.AuditRecord], error) {
	if err := s.forwardAudits(ctx); err != nil {
		return platform.List[platform.AuditRecord]{}, err
	}
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.List[platform.AuditRecord], error) {
		return list(tx, tx.d.auditsWhere(auditColumns, t, f), page, scanAudit(tenant))
	})
}

// DropAudits implements platform.Expiry.
func (s *Store) DropAudits(ctx context.Context, tenant platform.TenantID, f platform.AuditFilter) (int, error) {
	if err := s.forwardAudits(ctx); err != nil {
		return 0, err
	}
	key, err := s.tenantKey(ctx, tenant)
	if err != nil {
		return 0, err
	}
	ids, err := read1(ctx, s.reads, func(tx *session) ([]platform.ID, error) {
		q := tx.d.auditsWhere("id", key, f)
		q.from = tx.d.indexed("audits", "audits_of_time")
		q.order = "at"
		text, args := q.paged(platform.Page{Number: 1, Size: platform.MaxDeleted - 1}) // one more
		return all(tx, (*row).id, text, args...)
	})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	n := 0
	err = s.identity.do(ctx, func(tx *session) (err error) {
		n, err = tx.deleteRows("audits", key, ids)
		return err
	})
	return n, err
}
