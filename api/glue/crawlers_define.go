package glue

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/wire"
)

// CreateCrawler, UpdateCrawler, DeleteCrawler, UpdateCrawlerSchedule, StartCrawlerSchedule, StopCrawlerSchedule.
//
// Targets are S3 folders and Delta tables; all others are refused, as are custom classifiers, event mode, connections,
// security configurations, lineage and Lake Formation credentials. The role is kept and not assumed: the crawler reads
// objects with the server's own rights. Schedules are evaluated in UTC without L, W and #.

// definition is what CreateCrawler and UpdateCrawler have in common.
type definition struct {
	role, database, description, prefix, schedule, configuration *string
	targets                                                      *types.CrawlerTargets
	policy                                                       *types.SchemaChangePolicy
	recrawl                                                      *types.RecrawlPolicy
}

func (s *service) createCrawler(ctx context.Context, in *glue.CreateCrawlerInput) (*glue.CreateCrawlerOutput, error) {
	var v wire.Violations
	v.Required(in.Role != nil, "role")
	v.Required(in.Targets != nil, "targets")
	v.Required(in.Name != nil, "name")
	v.Length(in.Name, "name", 1, 255)
	if err := v.Err(); err != nil {
		return nil, err
	}
	if err := checkCrawler(ctx, in.CatalogId, in.Classifiers, in.CrawlerSecurityConfiguration, in.LakeFormationConfiguration, in.LineageConfiguration); err != nil {
		return nil, err
	}
	c := catalog.Crawler{
		Name: *in.Name, UpdateBehavior: string(types.UpdateBehaviorUpdateInDatabase),
		DeleteBehavior: string(types.DeleteBehaviorDeprecateInDatabase), Recrawl: string(types.RecrawlBehaviorCrawlEverything),
	}
	d := definition{in.Role, in.DatabaseName, in.Description, in.TablePrefix, in.Schedule, in.Configuration, in.Targets, in.SchemaChangePolicy, in.RecrawlPolicy}
	if err := d.apply(&c); err != nil {
		return nil, err
	}
	return &glue.CreateCrawlerOutput{}, s.crawlers.Create(ctx, c, in.Tags)
}

func (s *service) updateCrawler(ctx context.Context, in *glue.UpdateCrawlerInput) (*glue.UpdateCrawlerOutput, error) {
	if err := check(ctx, nil, required{"name", in.Name}); err != nil {
		return nil, err
	}
	if err := checkCrawler(ctx, in.CatalogId, in.Classifiers, in.CrawlerSecurityConfiguration, in.LakeFormationConfiguration, in.LineageConfiguration); err != nil {
		return nil, err
	}
	d := definition{in.Role, in.DatabaseName, in.Description, in.TablePrefix, in.Schedule, in.Configuration, in.Targets, in.SchemaChangePolicy, in.RecrawlPolicy}
	return &glue.UpdateCrawlerOutput{}, s.crawlers.Update(ctx, *in.Name, d.apply)
}

// checkCrawler refuses what no crawler here can have.
func checkCrawler(ctx context.Context, catalogID *string, classifiers []string, security *string, lake *types.LakeFormationConfiguration, lineage *types.LineageConfiguration) error {
	if err := checkCatalog(ctx, catalogID); err != nil {
		return err
	}
	if len(classifiers) > 0 {
		return catalog.Failf(catalog.ErrNotFound, "Classifier %s not found.", classifiers[0])
	}
	return unsupported(
		"CrawlerSecurityConfiguration", str(security) != "",
		"UseLakeFormationCredentials", lake != nil && lake.UseLakeFormationCredentials != nil && *lake.UseLakeFormationCredentials,
		"CrawlerLineageSettings ENABLE", lineage != nil && lineage.CrawlerLineageSettings == types.CrawlerLineageSettingsEnable)
}

// apply sets what was sent and leaves the rest as it was.
func (d *definition) apply(c *catalog.Crawler) error {
	for _, set := range []struct {
		to   *string
		from *string
	}{
		{&c.Database, d.database}, {&c.Description, d.description},
		{&c.TablePrefix, d.prefix}, {&c.Configuration, d.configuration},
	} {
		if set.from != nil {
			*set.to = *set.from
		}
	}
	if d.role != nil {
		c.Role = roleName(*d.role)
	}
	if d.schedule != nil {
		c.Schedule, c.Scheduled = *d.schedule, *d.schedule != ""
	}
	if d.policy != nil {
		if err := applyPolicy(c, d.policy); err != nil {
			return err
		}
	}
	if d.recrawl != nil && d.recrawl.RecrawlBehavior != "" {
		if d.recrawl.RecrawlBehavior == types.RecrawlBehaviorCrawlEventMode {
			return unsupported("RecrawlBehavior CRAWL_EVENT_MODE", true)
		}
		c.Recrawl = string(d.recrawl.RecrawlBehavior)
	}
	if d.targets != nil {
		return applyTargets(c, d.targets)
	}
	return nil
}

// roleName is a role as GetCrawler returns it: the name with its path, also if an ARN was sent.
func roleName(role string) string {
	if _, name, ok := strings.Cut(role, ":role/"); ok && strings.HasPrefix(role, "arn:") {
		return name
	}
	return role
}

func applyPolicy(c *catalog.Crawler, p *types.SchemaChangePolicy) error {
	var v wire.Violations
	wire.Enum(&v, p.UpdateBehavior, "schemaChangePolicy.updateBehavior", p.UpdateBehavior.Values())
	wire.Enum(&v, p.DeleteBehavior, "schemaChangePolicy.deleteBehavior", p.DeleteBehavior.Values())
	if err := v.Err(); err != nil {
		return err
	}
	if p.UpdateBehavior != "" {
		c.UpdateBehavior = string(p.UpdateBehavior)
	}
	if p.DeleteBehavior != "" {
		c.DeleteBehavior = string(p.DeleteBehavior)
	}
	return nil
}

func applyTargets(c *catalog.Crawler, in *types.CrawlerTargets) error {
	if err := unsupported("A Catalog target", len(in.CatalogTargets) > 0, "A DynamoDB target", len(in.DynamoDBTargets) > 0,
		"A Hudi target", len(in.HudiTargets) > 0, "An Iceberg target", len(in.IcebergTargets) > 0,
		"A JDBC target", len(in.JdbcTargets) > 0, "A MongoDB target", len(in.MongoDBTargets) > 0); err != nil {
		return err
	}
	c.S3, c.Delta = nil, nil
	for _, t := range in.S3Targets {
		if err := unsupported("ConnectionName of an S3 target", str(t.ConnectionName) != "",
			"EventQueueArn of an S3 target", str(t.EventQueueArn) != "", "DlqEventQueueArn of an S3 target", str(t.DlqEventQueueArn) != ""); err != nil {
			return err
		}
		target := catalog.S3Target{Path: str(t.Path), Exclusions: slices.Clone(t.Exclusions)}
		if t.SampleSize != nil {
			var v wire.Violations
			wire.Range(&v, t.SampleSize, "targets.s3Targets.sampleSize", 1, 249)
			if err := v.Err(); err != nil {
				return err
			}
			target.SampleSize = int(*t.SampleSize)
		}
		c.S3 = append(c.S3, target)
	}
	for _, t := range in.DeltaTargets {
		if err := unsupported("ConnectionName of a Delta target", str(t.ConnectionName) != "",
			"WriteManifest of a Delta target", t.WriteManifest != nil && *t.WriteManifest); err != nil {
			return err
		}
		c.Delta = append(c.Delta, catalog.DeltaTarget{Tables: slices.Clone(t.DeltaTables),
			Native: t.CreateNativeDeltaTable != nil && *t.CreateNativeDeltaTable})
	}
	return nil
}

func (s *service) deleteCrawler(ctx context.Context, in *glue.DeleteCrawlerInput) (*glue.DeleteCrawlerOutput, error) {
	if err := check(ctx, nil, required{"name", in.Name}); err != nil {
		return nil, err
	}
	return &glue.DeleteCrawlerOutput{}, s.store.DeleteCrawler(ctx, *in.Name)
}

func (s *service) updateCrawlerSchedule(ctx context.Context, in *glue.UpdateCrawlerScheduleInput) (*glue.UpdateCrawlerScheduleOutput, error) {
	if err := check(ctx, nil, required{"crawlerName", in.CrawlerName}); err != nil {
		return nil, err
	}
	d := definition{schedule: in.Schedule}
	return &glue.UpdateCrawlerScheduleOutput{}, s.crawlers.Update(ctx, *in.CrawlerName, d.apply)
}

func (s *service) startCrawlerSchedule(ctx context.Context, in *glue.StartCrawlerScheduleInput) (*glue.StartCrawlerScheduleOutput, error) {
	return &glue.StartCrawlerScheduleOutput{}, s.schedule(ctx, in.CrawlerName, true)
}

func (s *service) stopCrawlerSchedule(ctx context.Context, in *glue.StopCrawlerScheduleInput) (*glue.StopCrawlerScheduleOutput, error) {
	return &glue.StopCrawlerScheduleOutput{}, s.schedule(ctx, in.CrawlerName, false)
}

// schedule puts a crawler's schedule in or out of force.
func (s *service) schedule(ctx context.Context, name *string, on bool) error {
	if err := check(ctx, nil, required{"crawlerName", name}); err != nil {
		return err
	}
	return s.crawlers.Update(ctx, *name, func(c *catalog.Crawler) error {
		switch {
		case c.Schedule == "":
			return wire.Errorf("NoScheduleException", 400, "Crawler %s has no schedule.", c.Name)
		case c.Scheduled && on:
			return wire.Errorf("SchedulerRunningException", 400, "The schedule of crawler %s is in force already.", c.Name)
		case !c.Scheduled && !on:
			return wire.Errorf("SchedulerNotRunningException", 400, "The schedule of crawler %s is not in force.", c.Name)
		}
		c.Scheduled = on
		return nil
	})
}
