package template

// Select returns what the path finds in a decoded JSON value, at most MaxSelected.
func (p Path) Select(v any) []any {
	looks := maxSteps * MaxSelected
	return p.within(v, &looks)
}

// within is Select that looks at *left values at most and counts them off.
func (p Path) within(v any, left *int) []any {
	found := []any{v}
	for i := range p.steps {
		st := &p.steps[i]
		var next []any
		for _, v := range found {
			if next = st.appendFrom(next, v, left); *left < 0 {
				return nil
			}
			if len(next) > MaxSelected {
				next = next[:MaxSelected]
				break
			}
		}
		if found = next; len(found) == 0 {
			return nil
		}
	}
	return found
}

// appendFrom appends what the step finds in v and counts what it looks at off left.
func (st *step) appendFrom(list []any, v any, left *int) []any {
	list = st.appendHere(list, v, left)
	if !st.deep {
		return list
	}
	for _, inner := range inside(v) {
		if *left < 0 || len(list) > MaxSelected {
			break
		}
		list = st.appendFrom(list, inner, left)
	}
	return list
}

func (st *step) appendHere(list []any, v any, left *int) []any {
	before := len(list)
	switch v := v.(type) {
	case map[string]any:
		list = st.appendMembers(list, v, left)
	case []any:
		list = st.appendElements(list, v, left)
	}
	*left -= 1 + len(list) - before
	return list
}

func (st *step) appendMembers(list []any, o map[string]any, left *int) []any {
	switch st.kind {
	case member:
		if inner, ok := o[st.name]; ok {
			list = append(list, inner)
		}
	case members:
		for _, name := range st.names {
			if inner, ok := o[name]; ok {
				list = append(list, inner)
			}
		}
	case every:
		list = append(list, sorted(o)...)
	case filtered: // as Jayway's: an object is filtered like a list of one
		if st.filter.holds(o, left) {
			list = append(list, o)
		}
	}
	return list
}

func (st *step) appendElements(list, l []any, left *int) []any {
	at := func(i int) {
		if i < 0 {
			i += len(l)
		}
		if i >= 0 && i < len(l) {
			list = append(list, l[i])
		}
	}
	switch st.kind {
	case element:
		at(st.index)
	case elements:
		for _, i := range st.indexes {
			at(i)
		}
	case part:
		list = append(list, st.slice.of(l)...)
	case every:
		list = append(list, l...)
	case filtered:
		for _, v := range l {
			if *left--; *left < 0 {
				break
			}
			if st.filter.holds(v, left) {
				list = append(list, v)
			}
		}
	}
	return list
}

// inside lists what v holds.
func inside(v any) []any {
	switch v := v.(type) {
	case map[string]any:
		return sorted(v)
	case []any:
		return v
	}
	return nil
}
