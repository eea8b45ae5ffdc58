package sqlstore

import (
	"encoding/json"
	"slices"

	"mooring/server/platform"
)

const insertFragment = "INSERT INTO fragments (tenant, object, name, value) VALUES ($1, $2, $3, $4)"

func (s *session) setFragments(t tenantKey, id platform.ID, fragments platform.Fragments) error {
	for name, value := range fragments {
		if err := s.run(insertFragment+" ON CONFLICT (tenant, object, name) DO UPDATE SET value = excluded.value",
			t, id, name, []byte(value)); err != nil {
			return err
		}
	}
	return nil
}

// fragmentChunk is how many objects' fragments one statement reads, so that a
// full page is far from the engines' limits on parameters.
const fragmentChunk = 500

// withFragments reads the fragments of objects.
func (s *session) withFragments(t tenantKey, objects []*platform.ManagedObject) error {
	return fillFragments(s, t, "fragments", "object", objects, func(o *platform.ManagedObject) (platform.ID, *platform.Fragments) { return o.ID, &o.Fragments })
}

// fillFragments reads the fragments of what owners lists from a table, whose
// column owner holds their IDs; of tells where they go.
func fillFragments[T any](s *session, t tenantKey, table, owner string, owners []*T, of func(*T) (platform.ID, *platform.Fragments)) error {
	for chunk := range slices.Chunk(owners, fragmentChunk) {
		q := selection{columns: owner + ", name, value", from: table}
		q.and("tenant = ?", t)
		in(&q, owner, chunk, func(o *T) any {
			id, _ := of(o)
			return id
		})
		byID := make(map[platform.ID]*platform.Fragments, len(chunk))
		for _, o := range chunk {
			id, into := of(o)
			byID[id], *into = into, platform.Fragments{}
		}
		err := s.each(func(r *row) error {
			id, name, value := r.id(), r.text(), r.bytes()
			(*byID[id])[name] = json.RawMessage(value)
			return r.err
		}, q.sql(), q.args...)
		if err != nil {
			return err
		}
	}
	return nil
}
