package stream

// write is the one goroutine that writes the log. It ends when the store is stopped and the queue is empty.
func (s *Store) write() {
	defer close(s.written)
	for {
		g := s.nextGroup()
		if g == nil {
			return
		}
		g.copies.Wait()
		pos, err := s.writeGroup(g)
		if err != nil {
			s.logger.Error("stream log: a write failed, records were refused", "error", err)
			s.kickHousekeeper() // to make room
			s.fail(g, err)
			continue
		}
		s.publish(g, pos)
		s.finish(g, nil)
	}
}

// nextGroup takes the oldest group out of the queue; nil when there will be no more.
func (s *Store) nextGroup() *group {
	s.appendMu.Lock()
	defer s.appendMu.Unlock()
	for len(s.queue) == 0 {
		if s.stopped {
			return nil
		}
		s.work.Wait()
	}
	g := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	if s.open == g {
		s.open = nil
	}
	return g
}

// wakeWriter is called after something was queued.
func (s *Store) wakeWriter() { s.work.Signal() }

// writeGroup makes a group durable and returns where it begins in the active segment.
func (s *Store) writeGroup(g *group) (int64, error) {
	if g.from == 0 && g.chunk.roll {
		if s.segs.unsealedCount() >= maxUnsealed { // the housekeeper is slow, or fails
			if err := s.sealAll(); err != nil {
				return 0, err
			}
		}
		if err := s.segs.roll(s.opts.Now().UnixMilli()); err != nil {
			return 0, err
		}
		clear(s.activeRuns)
		s.kickHousekeeper()
	}
	a := s.segs.active
	for i := range g.frames {
		f := &g.frames[i]
		f.head.segment = a.number
		finishHeader(g.chunk.buf[f.off:], a.number)
	}
	pos := a.end.Load()
	if err := a.touch(pos + int64(g.to-g.from)); err != nil {
		return 0, err
	}
	if _, err := a.file.WriteAt(g.chunk.buf[g.from:g.to], pos); err != nil {
		return 0, err
	}
	if err := a.file.SyncData(); err != nil {
		return 0, err
	}
	a.synced = true
	a.end.Store(pos + int64(g.to-g.from))
	return pos, nil
}

// publish makes the records of a durable group visible to readers.
func (s *Store) publish(g *group, pos int64) {
	if n := len(s.tail.chunks); n == 0 || s.tail.chunks[n-1] != g.chunk {
		s.tail.add(g.chunk)
	}
	for i := range g.frames {
		f := &g.frames[i]
		r := s.activeRuns[f.shard]
		if r == nil {
			r = &run{shardKey: f.shard.shardKey, segment: s.segs.active.segment}
			s.activeRuns[f.shard] = r
		}
		if f.shard.newest != g.chunk {
			f.shard.newest = g.chunk
			g.chunk.shards = append(g.chunk.shards, f.shard)
		}
		fresh := r.records == 0
		ok := f.shard.publish(g.chunk, f.off, &f.head, r, pos+int64(f.off-g.from), s.opts.tuning.indexStride)
		if ok && fresh {
			s.segs.addRun(r)
		}
	}
}

// finish answers the Puts of a group.
func (s *Store) finish(g *group, err error) {
	s.appendMu.Lock()
	s.queued -= int64(g.to - g.from)
	s.appendMu.Unlock()
	g.err = err
	close(g.done)
	g.chunk.release()
}

// fail refuses a group and all that wait behind it. What the disk now holds past the end of the active segment is
// unknown, so the next group begins a new segment, whose header says where this one ends.
func (s *Store) fail(g *group, err error) {
	s.appendMu.Lock()
	refused := append([]*group{g}, s.queue...)
	s.queue = nil
	s.dropFillingLocked()
	s.appendMu.Unlock()
	for _, g := range refused {
		g.copies.Wait()
		s.finish(g, err)
	}
}
