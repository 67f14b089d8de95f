package stream

// turns are those of the entries of an Append to a stream that spreads its records; the zero value is for others.
type turns struct {
	spread bool
	first  uint64
}

// takeTurns gives turns to n records, if the stream spreads its records.
func (st *streamState) takeTurns(n int) turns {
	if !st.spread.Load() {
		return turns{}
	}
	return turns{true, st.turn.Add(uint64(n)) - uint64(n)}
}

// choose is the place in the layout of the shard of entry i.
func (p *placing) choose(layout *layout, i int, e *Entry) (int, error) {
	if p.spread {
		return int((p.turns.first + uint64(i)) % uint64(len(layout.open))), nil
	}
	hash, err := e.hash()
	return layout.find(hash), err
}
