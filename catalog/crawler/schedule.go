package crawler

import (
	"context"
	"errors"
	"time"

	"github.com/weir-data/weir/catalog"
)

// scheduleChanged wakes followSchedules.
func (r *Runner) scheduleChanged() {
	select {
	case r.changed <- struct{}{}:
	default: // it will look anyway
	}
}

// followSchedules starts crawls at their times until Close. A time at which the server was down, or the crawler at work,
// is passed over.
func (r *Runner) followSchedules() {
	from := r.now()
	for {
		now := r.now()
		wait := time.Hour
		for name, cron := range r.schedules() {
			next, ok := cron.Next(from)
			if ok && !next.After(now) {
				r.startScheduled(name)
				next, ok = cron.Next(now)
			}
			if ok {
				wait = min(wait, next.Sub(now))
			}
		}
		from = now
		timer := time.NewTimer(wait)
		select {
		case <-r.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-r.changed:
			timer.Stop()
		}
	}
}

// schedules are the compiled schedules in force, by crawler.
func (r *Runner) schedules() map[string]*catalog.Cron {
	out := map[string]*catalog.Cron{}
	all, err := r.store.Crawlers(r.ctx)
	if err != nil {
		r.logger.Error("schedules of crawlers could not be read", "error", err)
	}
	for _, c := range all {
		if !c.Scheduled {
			continue
		}
		if cron, err := catalog.ParseCron(c.Schedule); err == nil {
			out[c.Name] = cron
		}
	}
	return out
}

func (r *Runner) startScheduled(name string) {
	err := r.Start(context.WithoutCancel(r.ctx), name)
	if err != nil && !errors.Is(err, catalog.ErrCrawlerRunning) {
		r.logger.Error("scheduled crawl could not start", "crawler", name, "error", err)
	}
}
