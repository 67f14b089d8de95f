package delta

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/weir-data/weir/objstore"
)

// bulkChanges are what makes the files of a version those of another: what the one has and the other has not. They are worked
// out anew whenever they are looked at, so that a commit of a million of them is written without holding them.
type bulkChanges struct {
	now, target   fileSet
	tombstone     func(*Add) *Remove
	adds, removes int

	gone []uint64 // a bit for each file that would be added, set if it is not there
	some []string // the first of those
}

// each yields the changes in the order of keys, without files that are gone. An add is the caller's own.
func (b *bulkChanges) each() iter.Seq[Action] {
	return func(yield func(Action) bool) {
		for p, number := range b.differences() {
			var a Action
			switch {
			case p.then == nil:
				a.Remove = b.tombstone(p.before.entry().add)
			case b.isGone(number):
				continue
			default:
				a.Add = p.then.entry().add
				if a.Add.DataChange = true; a.Add.PartitionValues == nil {
					a.Add.PartitionValues = map[string]*string{}
				}
			}
			if !yield(a) {
				return
			}
		}
	}
}

// differences yields what differs, with the numbers of the files that would be added.
func (b *bulkChanges) differences() iter.Seq2[pair, int] {
	return func(yield func(pair, int) bool) {
		added := 0
		for p := range joined(b.now, b.target) {
			if p.before != nil && p.then != nil {
				continue
			}
			if !yield(p, added) {
				return
			}
			if p.then != nil {
				added++
			}
		}
	}
}

func (b *bulkChanges) isGone(number int) bool {
	return number/64 < len(b.gone) && b.gone[number/64]&(1<<(number%64)) != 0
}

func (b *bulkChanges) setGone(number int) {
	for number/64 >= len(b.gone) {
		b.gone = append(b.gone, 0)
	}
	b.gone[number/64] |= 1 << (number % 64)
}

// conflict says where a commit that came first changed a file that these change.
func (b *bulkChanges) conflict(w *winner) error {
	for key := range w.removed {
		was, _ := b.now.look(key)
		if is, _ := b.target.look(key); was && !is {
			return &Conflict{With: ConflictDelete, What: pathOf(key)}
		}
	}
	for key := range w.added {
		was, _ := b.now.look(key)
		if is, _ := b.target.look(key); was != is {
			return &Conflict{With: ConflictPath, What: pathOf(key)}
		}
	}
	return nil
}

// putBulk writes a commit whose first lines are at hand.
func (tx *Transaction) putBulk(head []byte, version int64) func(ctx context.Context, key string) error {
	return func(ctx context.Context, key string) error {
		return putWrittenIfAbsent(ctx, tx.table.objects, key, func(to io.Writer) error {
			w := bufio.NewWriterSize(to, 256<<10)
			if _, err := w.Write(head); err != nil {
				return err
			}
			if err := tx.writeBulk(w, version); err != nil {
				return err
			}
			return w.Flush()
		})
	}
}

func (tx *Transaction) writeBulk(w io.Writer, version int64) error {
	p, _ := tx.after()
	high := tx.rowIDs
	write := func(a Action) error {
		body, err := EncodeActions([]Action{a})
		if err == nil {
			_, err = w.Write(body)
		}
		return err
	}
	for a := range tx.bulk.each() {
		if a.Add != nil && p.writes("rowTracking") {
			high = tx.numberFile(a.Add, high, version)
		}
		if err := write(a); err != nil {
			return err
		}
	}
	if mark := tx.markRows(high); mark != nil {
		return write(Action{DomainMetadata: mark})
	}
	return nil
}

// headersMax bounds the objects that are looked for at the same time.
const headersMax = 16

// restoring works out what a restore changes: it looks for the files that would be added, and counts.
func (t *Table) restoring(ctx context.Context, tx *Transaction, target *Snapshot, out *Restored) (*bulkChanges, error) {
	b := &bulkChanges{now: tx.read.files, target: target.files, tombstone: tx.tombstone}
	type found struct {
		add    *Add
		number int
		gone   bool
	}
	results := make(chan found, headersMax)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(headersMax)
	var listErr error
	go func() {
		defer close(results)
		for p, number := range b.differences() {
			if gctx.Err() != nil {
				break
			}
			if p.then == nil {
				add := p.before.entry().add
				b.removes++
				if listErr = out.Removed.add(add); listErr != nil {
					break
				}
				continue
			}
			add := p.then.entry().add
			g.Go(func() error {
				gone, err := t.isGone(gctx, add)
				if err == nil {
					results <- found{add, number, gone}
				}
				return err
			})
		}
		listErr = errors.Join(listErr, g.Wait())
	}()
	var countErr error
	var first []found // that are gone
	for f := range results {
		if !f.gone {
			b.adds++
			if err := out.Added.add(f.add); err != nil {
				countErr = err
			}
			continue
		}
		b.setGone(f.number)
		out.Missing++
		first = append(first, f)
		slices.SortFunc(first, func(a, b found) int { return a.number - b.number })
		first = first[:min(len(first), missingNamed)]
	}
	for _, f := range first {
		b.some = append(b.some, f.add.Path)
	}
	return b, errors.Join(listErr, countErr)
}

// isGone says whether the data file of an add, or its deletion vector, is not there. Files outside the folder are not looked for.
func (t *Table) isGone(ctx context.Context, a *Add) (bool, error) {
	keys, err := t.objectsOf(a)
	if err != nil {
		return false, err
	}
	for _, key := range keys {
		if _, err := t.head(ctx, key); errors.Is(err, objstore.ErrNoSuchKey) {
			return true, nil
		} else if err != nil {
			return false, fmt.Errorf("look for %s: %w", key, err)
		}
	}
	return false, nil
}
