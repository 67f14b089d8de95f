package delta

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
)

// propCompactionInterval is how many commits go into a log compaction; none are written without it.
const propCompactionInterval = "weir.logCompactionInterval"

// compactionRange are the versions that are compacted once a version is there; false if none are.
func compactionRange(version int64, props map[string]string) (from int64, ok bool) {
	n, err := parseCount(props[propCompactionInterval], 2)
	if err != nil || (version+1)%int64(n) != 0 {
		return 0, false
	}
	return version + 1 - int64(n), true
}

// compactLog writes the commits of some versions as one log compaction file (section "Log Compaction Files").
func (t *Table) compactLog(ctx context.Context, from, to int64) error {
	r := t.newReplay(nil)
	domains := map[string]DomainMetadata{} // removed ones too: they may be there before
	for v := from; v <= to; v++ {
		err := readCommit(ctx, t.objects, v, func(a Action) error {
			if a.DomainMetadata != nil {
				domains[a.DomainMetadata.Domain] = *a.DomainMetadata
			}
			return r.apply(a)
		})
		if err != nil {
			return err
		}
	}
	if err := r.flush(never); err != nil {
		return err
	}
	var head []Action
	if r.protocol != nil {
		head = append(head, Action{Protocol: r.protocol})
	}
	if r.metadata != nil {
		head = append(head, Action{Metadata: r.metadata})
	}
	for _, app := range slices.Sorted(maps.Keys(r.txns)) {
		txn := r.txns[app]
		head = append(head, Action{Txn: &txn})
	}
	for _, name := range slices.Sorted(maps.Keys(domains)) {
		d := domains[name]
		head = append(head, Action{DomainMetadata: &d})
	}
	_, err := putWritten(ctx, t.objects, compactedKey(from, to), func(w io.Writer) error {
		write := func(actions ...Action) error {
			body, err := EncodeActions(actions)
			if err == nil {
				_, err = w.Write(body)
			}
			return err
		}
		if err := write(head...); err != nil {
			return err
		}
		for e := range r.files.all() {
			if err := write(Action{Add: e.add, Remove: e.remove}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("compact versions %d to %d: %w", from, to, err)
	}
	return nil
}
