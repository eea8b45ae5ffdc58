package sqlstore

import (
	"encoding/json"

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
	for len(objects) > 0 {
		n := min(len(objects), fragmentChunk)
		if err := s.chunkFragments(t, objects[:n]); err != nil {
			return err
		}
		objects = objects[n:]
	}
	return nil
}

func (s *session) chunkFragments(t tenantKey, objects []*platform.ManagedObject) error {
	q := selection{columns: "object, name, value", from: "fragments"}
	q.and("tenant = ?", t)
	in(&q, "object", objects, func(o *platform.ManagedObject) any { return o.ID })
	byID := make(map[platform.ID]*platform.ManagedObject, len(objects))
	for _, o := range objects {
		byID[o.ID] = o
		o.Fragments = platform.Fragments{}
	}
	return s.each(func(r *row) error {
		id, name, value := r.id(), r.text(), r.bytes()
		byID[id].Fragments[name] = json.RawMessage(value)
		return r.err
	}, q.sql(), q.args...)
}
