package catalog

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/weir-data/weir/internal/meta"
)

// CrawlerState is what a crawler does now.
type CrawlerState string

// The states, in the order of a crawl.
const (
	CrawlerReady    CrawlerState = "READY"
	CrawlerRunning  CrawlerState = "RUNNING"
	CrawlerStopping CrawlerState = "STOPPING"
)

// Crawler looks at objects and keeps tables of a database as they are found.
type Crawler struct {
	Name        string
	Role        string
	Database    string
	Description string `json:",omitempty"`
	TablePrefix string `json:",omitempty"`
	S3          []S3Target
	Delta       []DeltaTarget `json:",omitempty"`
	// Schedule is a cron expression of AWS, cron(15 12 * * ? *), or empty; Scheduled says whether it is in force.
	Schedule  string `json:",omitempty"`
	Scheduled bool   `json:",omitempty"`
	// UpdateBehavior is LOG or UPDATE_IN_DATABASE; DeleteBehavior LOG, DELETE_FROM_DATABASE or DEPRECATE_IN_DATABASE.
	UpdateBehavior string
	DeleteBehavior string
	Recrawl        string // CRAWL_EVERYTHING or CRAWL_NEW_FOLDERS_ONLY
	Configuration  string `json:",omitempty"` // JSON as it was sent
	Version        int64  // rises with every change of the definition
	Created        time.Time
	Updated        time.Time

	State   CrawlerState
	Started time.Time `json:",omitzero"` // of the crawl under way
	// Crawls are the finished crawls, oldest first, at most crawlsMax of them.
	Crawls []Crawl `json:",omitempty"`
}

// S3Target is a folder of a bucket.
type S3Target struct {
	Path       string   // s3://bucket/prefix
	Exclusions []string `json:",omitempty"` // globs over what follows the path
	SampleSize int      `json:",omitempty"` // files read per leaf folder; 0 is the crawler's own bound
}

// DeltaTarget is a list of Delta tables.
type DeltaTarget struct {
	Tables []string // s3://bucket/table/
	// Native makes tables that engines read through the Delta log.
	Native bool
}

// Crawl is a finished crawl.
type Crawl struct {
	ID              string
	Status          string // SUCCEEDED, FAILED or CANCELLED
	Error           string `json:",omitempty"`
	Start, End      time.Time
	Created         int // tables
	Updated         int
	Deleted         int
	PartitionsAdded int `json:",omitempty"`
}

const crawlsMax = 100

// LastCrawl returns the newest finished crawl, and false if there is none.
func (c *Crawler) LastCrawl() (Crawl, bool) {
	if len(c.Crawls) == 0 {
		return Crawl{}, false
	}
	return c.Crawls[len(c.Crawls)-1], true
}

func noCrawler(name string) error {
	return Failf(ErrNotFound, "Crawler entry with name %s does not exist", name)
}

// lockCrawler guards the change of one crawler.
func (s *Store) lockCrawler(name string) (unlock func()) { return s.lockTable(keyCrawler, name) }

// Crawlers returns all crawlers by name.
func (s *Store) Crawlers(ctx context.Context) ([]Crawler, error) {
	return collect(scan[Crawler](s, under(keyCrawler), ""))
}

// Crawler returns one crawler, or ErrNotFound. Its name's case matters.
func (s *Store) Crawler(ctx context.Context, name string) (Crawler, error) {
	return load[Crawler](s, key(keyCrawler, name), noCrawler(name))
}

// CreateCrawler adds a crawler, READY, with its first tags. ErrExists, ErrInvalid.
func (s *Store) CreateCrawler(ctx context.Context, c Crawler, tags map[string]string) error {
	if err := checkName("Crawler name", c.Name); err != nil {
		return err
	}
	if err := checkTags(tags); err != nil {
		return err
	}
	defer s.lockCrawler(c.Name)()
	if _, err := s.Crawler(ctx, c.Name); !errors.Is(err, ErrNotFound) {
		return existing(err, "Crawler with name "+c.Name+" already exists")
	}
	c.Version = 1
	c.State, c.Started, c.Crawls = CrawlerReady, time.Time{}, nil
	c.Created = s.now().UTC()
	c.Updated = c.Created
	b := new(meta.Batch)
	if err := put(s, b, key(keyCrawler, c.Name), c); err != nil {
		return err
	}
	if err := s.setTags(b, CrawlerResource(c.Name), tags); err != nil {
		return err
	}
	return s.meta.Commit(b)
}

// ChangeCrawler applies change to the definition of a crawler that is not at work. ErrNotFound, ErrCrawlerRunning, and
// what change returns.
func (s *Store) ChangeCrawler(ctx context.Context, name string, change func(*Crawler) error) error {
	return s.changeCrawler(ctx, name, func(c *Crawler) error {
		if c.State != CrawlerReady {
			return crawlerRunning(name)
		}
		if err := change(c); err != nil {
			return err
		}
		c.Version++
		c.Updated = s.now().UTC()
		return nil
	})
}

func crawlerRunning(name string) error {
	return Failf(ErrCrawlerRunning, "Crawler with name %s has already started", name)
}

// changeCrawler applies change to definition or state.
func (s *Store) changeCrawler(ctx context.Context, name string, change func(*Crawler) error) error {
	defer s.lockCrawler(name)()
	c, err := s.Crawler(ctx, name)
	if err != nil {
		return err
	}
	if err := change(&c); err != nil {
		return err
	}
	return meta.Save(s.space, key(keyCrawler, name), c)
}

// DeleteCrawler removes a crawler that is not at work, with its tags. ErrNotFound, ErrCrawlerRunning.
func (s *Store) DeleteCrawler(ctx context.Context, name string) error {
	defer s.lockCrawler(name)()
	c, err := s.Crawler(ctx, name)
	if err != nil {
		return err
	}
	if c.State != CrawlerReady {
		return crawlerRunning(name)
	}
	b := new(meta.Batch)
	b.Delete(s.space, key(keyCrawler, name))
	b.Delete(s.space, key(keyTags, CrawlerResource(name)))
	return s.meta.Commit(b)
}

// BeginCrawl makes a crawler RUNNING. ErrNotFound, ErrCrawlerRunning.
func (s *Store) BeginCrawl(ctx context.Context, name string) error {
	return s.changeCrawler(ctx, name, func(c *Crawler) error {
		if c.State != CrawlerReady {
			return crawlerRunning(name)
		}
		c.State, c.Started = CrawlerRunning, s.now().UTC()
		return nil
	})
}

// StopCrawl makes a RUNNING crawler STOPPING. ErrNotFound, ErrCrawlerIdle, ErrCrawlerStopping.
func (s *Store) StopCrawl(ctx context.Context, name string) error {
	return s.changeCrawler(ctx, name, func(c *Crawler) error {
		switch c.State {
		case CrawlerReady:
			return Failf(ErrCrawlerIdle, "Crawler with name %s isn't running", name)
		case CrawlerStopping:
			return Failf(ErrCrawlerStopping, "Crawler with name %s is stopping", name)
		}
		c.State = CrawlerStopping
		return nil
	})
}

// EndCrawl makes a crawler READY and records the crawl that is over; its Start and End are set here.
func (s *Store) EndCrawl(ctx context.Context, name string, crawl Crawl) error {
	return s.changeCrawler(ctx, name, func(c *Crawler) error {
		c.endCrawl(crawl, s.now().UTC())
		return nil
	})
}

func (c *Crawler) endCrawl(crawl Crawl, now time.Time) {
	crawl.Start, crawl.End = c.Started, now
	c.Crawls = append(c.Crawls, crawl)
	if extra := len(c.Crawls) - crawlsMax; extra > 0 {
		c.Crawls = slices.Delete(c.Crawls, 0, extra)
	}
	c.State, c.Started = CrawlerReady, time.Time{}
}

// failInterruptedCrawls ends the crawls that were under way when the process that ran them ended.
func (s *Store) failInterruptedCrawls() error {
	all, err := s.Crawlers(context.Background())
	if err != nil {
		return err
	}
	b := new(meta.Batch)
	for _, c := range all {
		if c.State == CrawlerReady {
			continue
		}
		c.endCrawl(Crawl{Status: "FAILED", Error: "The crawl was interrupted by a restart."}, s.now().UTC())
		if err := put(s, b, key(keyCrawler, c.Name), c); err != nil {
			return err
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return s.meta.Commit(b)
}

// InDatabase says whether the crawler keeps its tables in the given database.
func (c *Crawler) InDatabase(name string) bool { return strings.EqualFold(c.Database, name) }
