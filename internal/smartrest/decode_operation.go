package smartrest

func askOperations(*args) Record { return AskOperations{} }
func askVersion(*args) Record    { return AskVersion{} }
func askTemplates(*args) Record  { return AskTemplates{} }

func operation(s OperationStatus, byID bool) func(*args) Record {
	return func(a *args) Record {
		r := OperationUpdate{Status: s}
		if byID {
			r.ID = a.text(0)
		} else {
			r.Fragment = a.text(0)
		}
		switch s {
		case Failed:
			r.FailureReason = a.text(1)
		case Successful:
			r.Values = a.rest(1)
		}
		return r
	}
}

func failAll(a *args) Record {
	return OperationUpdate{Fragment: a.text(0), Status: Failed, FailureReason: a.text(1), All: true}
}
