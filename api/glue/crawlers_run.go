package glue

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/wire"
)

// StartCrawler, StopCrawler, GetCrawler, GetCrawlers, ListCrawlers, BatchGetCrawlers, GetCrawlerMetrics, ListCrawls.
//
// A crawl runs in the background. There is no CloudWatch Logs here, so LogGroup and LogStream of a crawl are left out;
// what went wrong is in its ErrorMessage. ListCrawls knows the last 100 crawls, on one page, without filters.

func (s *service) startCrawler(ctx context.Context, in *glue.StartCrawlerInput) (*glue.StartCrawlerOutput, error) {
	if err := check(ctx, nil, required{"name", in.Name}); err != nil {
		return nil, err
	}
	return &glue.StartCrawlerOutput{}, s.crawlers.Start(ctx, *in.Name)
}

func (s *service) stopCrawler(ctx context.Context, in *glue.StopCrawlerInput) (*glue.StopCrawlerOutput, error) {
	if err := check(ctx, nil, required{"name", in.Name}); err != nil {
		return nil, err
	}
	return &glue.StopCrawlerOutput{}, s.crawlers.Stop(ctx, *in.Name)
}

func (s *service) getCrawler(ctx context.Context, in *glue.GetCrawlerInput) (*glue.GetCrawlerOutput, error) {
	if err := check(ctx, nil, required{"name", in.Name}); err != nil {
		return nil, err
	}
	c, err := s.store.Crawler(ctx, *in.Name)
	if err != nil {
		return nil, err
	}
	return &glue.GetCrawlerOutput{Crawler: toCrawler(c)}, nil
}

// toCrawler converts a crawler as Glue tells of it, with AWS's defaults.
func toCrawler(c catalog.Crawler) *types.Crawler {
	no := false
	account := ""
	out := &types.Crawler{
		Name: &c.Name, Role: &c.Role, DatabaseName: text(c.Database), Description: text(c.Description), TablePrefix: text(c.TablePrefix),
		Configuration: text(c.Configuration), Classifiers: []string{}, State: types.CrawlerState(c.State), Version: c.Version,
		CreationTime: &c.Created, LastUpdated: &c.Updated, Targets: toTargets(&c),
		SchemaChangePolicy:         &types.SchemaChangePolicy{UpdateBehavior: types.UpdateBehavior(c.UpdateBehavior), DeleteBehavior: types.DeleteBehavior(c.DeleteBehavior)},
		RecrawlPolicy:              &types.RecrawlPolicy{RecrawlBehavior: types.RecrawlBehavior(c.Recrawl)},
		LineageConfiguration:       &types.LineageConfiguration{CrawlerLineageSettings: types.CrawlerLineageSettingsDisable},
		LakeFormationConfiguration: &types.LakeFormationConfiguration{UseLakeFormationCredentials: &no, AccountId: &account},
	}
	if c.Schedule != "" {
		out.Schedule = &types.Schedule{ScheduleExpression: &c.Schedule, State: types.ScheduleStateNotScheduled}
		if c.Scheduled {
			out.Schedule.State = types.ScheduleStateScheduled
		}
	}
	if last, ok := c.LastCrawl(); ok {
		out.LastCrawl = &types.LastCrawlInfo{Status: types.LastCrawlStatus(last.Status), ErrorMessage: text(last.Error), StartTime: &last.Start, MessagePrefix: &last.ID}
	}
	return out
}

func toTargets(c *catalog.Crawler) *types.CrawlerTargets {
	out := &types.CrawlerTargets{S3Targets: []types.S3Target{}, JdbcTargets: []types.JdbcTarget{}, MongoDBTargets: []types.MongoDBTarget{},
		DynamoDBTargets: []types.DynamoDBTarget{}, CatalogTargets: []types.CatalogTarget{}, DeltaTargets: []types.DeltaTarget{},
		IcebergTargets: []types.IcebergTarget{}, HudiTargets: []types.HudiTarget{}}
	for _, t := range c.S3 {
		target := types.S3Target{Path: &t.Path, Exclusions: append([]string{}, t.Exclusions...)}
		if t.SampleSize > 0 {
			n := int32(t.SampleSize)
			target.SampleSize = &n
		}
		out.S3Targets = append(out.S3Targets, target)
	}
	for _, t := range c.Delta {
		manifest := false
		out.DeltaTargets = append(out.DeltaTargets, types.DeltaTarget{DeltaTables: t.Tables, WriteManifest: &manifest, CreateNativeDeltaTable: &t.Native})
	}
	return out
}

func (s *service) getCrawlers(ctx context.Context, in *glue.GetCrawlersInput) (*glue.GetCrawlersOutput, error) {
	all, err := s.store.Crawlers(ctx)
	if err != nil {
		return nil, err
	}
	items, next, err := page(all, crawlerName, in.NextToken, in.MaxResults, 1000)
	out := &glue.GetCrawlersOutput{NextToken: next, Crawlers: []types.Crawler{}}
	for _, c := range items {
		out.Crawlers = append(out.Crawlers, *toCrawler(c))
	}
	return out, err
}

func crawlerName(c *catalog.Crawler) string { return c.Name }

func (s *service) listCrawlers(ctx context.Context, in *glue.ListCrawlersInput) (*glue.ListCrawlersOutput, error) {
	all, err := s.store.Crawlers(ctx)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) > 0 {
		if all, err = s.tagged(ctx, all, in.Tags); err != nil {
			return nil, err
		}
	}
	items, next, err := page(all, crawlerName, in.NextToken, in.MaxResults, 1000)
	out := &glue.ListCrawlersOutput{NextToken: next, CrawlerNames: []string{}}
	for _, c := range items {
		out.CrawlerNames = append(out.CrawlerNames, c.Name)
	}
	return out, err
}

// tagged keeps the crawlers that have all the tags.
func (s *service) tagged(ctx context.Context, all []catalog.Crawler, want map[string]string) ([]catalog.Crawler, error) {
	var kept []catalog.Crawler
	for _, c := range all {
		tags, err := s.store.Tags(ctx, catalog.CrawlerResource(c.Name))
		if err != nil {
			return nil, err
		}
		both := maps.Clone(tags)
		maps.Copy(both, want)
		if maps.Equal(both, tags) {
			kept = append(kept, c)
		}
	}
	return kept, nil
}

func (s *service) batchGetCrawlers(ctx context.Context, in *glue.BatchGetCrawlersInput) (*glue.BatchGetCrawlersOutput, error) {
	if err := checkBatch(len(in.CrawlerNames), "crawlerNames", 100); err != nil {
		return nil, err
	}
	out := &glue.BatchGetCrawlersOutput{Crawlers: []types.Crawler{}, CrawlersNotFound: []string{}}
	for _, name := range in.CrawlerNames {
		c, err := s.store.Crawler(ctx, name)
		switch {
		case errors.Is(err, catalog.ErrNotFound):
			out.CrawlersNotFound = append(out.CrawlersNotFound, name)
		case err != nil:
			return nil, err
		default:
			out.Crawlers = append(out.Crawlers, *toCrawler(c))
		}
	}
	return out, nil
}

func (s *service) getCrawlerMetrics(ctx context.Context, in *glue.GetCrawlerMetricsInput) (*glue.GetCrawlerMetricsOutput, error) {
	all, err := s.store.Crawlers(ctx)
	if err != nil {
		return nil, err
	}
	if len(in.CrawlerNameList) > 0 {
		all = slices.DeleteFunc(all, func(c catalog.Crawler) bool { return !slices.Contains(in.CrawlerNameList, c.Name) })
	}
	items, next, err := page(all, crawlerName, in.NextToken, in.MaxResults, 1000)
	out := &glue.GetCrawlerMetricsOutput{NextToken: next, CrawlerMetricsList: []types.CrawlerMetrics{}}
	for _, c := range items {
		out.CrawlerMetricsList = append(out.CrawlerMetricsList, crawlerMetrics(&c))
	}
	return out, err
}

// crawlerMetrics sums the crawls that are remembered. How long a crawl under way will take is not estimated.
func crawlerMetrics(c *catalog.Crawler) types.CrawlerMetrics {
	m := types.CrawlerMetrics{CrawlerName: &c.Name, StillEstimating: c.State != catalog.CrawlerReady}
	var times []time.Duration
	for _, crawl := range c.Crawls {
		m.TablesCreated += int32(crawl.Created)
		m.TablesUpdated += int32(crawl.Updated)
		m.TablesDeleted += int32(crawl.Deleted)
		times = append(times, crawl.End.Sub(crawl.Start))
	}
	if len(times) > 0 {
		m.LastRuntimeSeconds = times[len(times)-1].Seconds()
		slices.Sort(times)
		m.MedianRuntimeSeconds = times[len(times)/2].Seconds()
	}
	return m
}

func (s *service) listCrawls(ctx context.Context, in *glue.ListCrawlsInput) (*glue.ListCrawlsOutput, error) {
	if err := check(ctx, nil, required{"crawlerName", in.CrawlerName}); err != nil {
		return nil, err
	}
	if err := unsupported("Filters", len(in.Filters) > 0, "NextToken", in.NextToken != nil); err != nil {
		return nil, err
	}
	c, err := s.store.Crawler(ctx, *in.CrawlerName)
	if err != nil {
		return nil, err
	}
	var v wire.Violations
	wire.Range(&v, in.MaxResults, "maxResults", 1, 1000)
	if err := v.Err(); err != nil {
		return nil, err
	}
	slices.Reverse(c.Crawls) // the newest first
	if in.MaxResults != nil {
		c.Crawls = c.Crawls[:min(len(c.Crawls), int(*in.MaxResults))]
	}
	out := &glue.ListCrawlsOutput{Crawls: []types.CrawlerHistory{}}
	for _, crawl := range c.Crawls {
		state := types.CrawlerHistoryStateCompleted
		switch crawl.Status {
		case "FAILED":
			state = types.CrawlerHistoryStateFailed
		case "CANCELLED":
			state = types.CrawlerHistoryStateStopped
		}
		out.Crawls = append(out.Crawls, types.CrawlerHistory{CrawlId: &crawl.ID, State: state, StartTime: &crawl.Start, EndTime: &crawl.End, ErrorMessage: text(crawl.Error)})
	}
	return out, nil
}
