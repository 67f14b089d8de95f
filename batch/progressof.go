package batch

// ProgressOf puts together what a ProgressStore outside of this package holds: the newest plan as it was saved (nil if
// none), its number, and the number of the newest commit (-1 if none). What does not fit together gives ErrProgress.
func ProgressOf(where string, plan []byte, planned, committed int64) (Progress, error) {
	return progressOf(where, plan, planned, committed)
}

// PlansKept is the number of newest batches whose plans a ProgressStore keeps, for people who look.
const PlansKept = plansKept

// ProgressName is the name under which the plan ("offsets") or the commit ("commits") of a batch is kept.
func ProgressName(kind string, batch int64) string { return progressName(kind, batch) }

// ProgressNumber is the batch number in a name of ProgressName.
func ProgressNumber(name string) (int64, error) { return progressNumber(name) }
