package crawler

import (
	"encoding/json"
	"strings"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/objstore"
)

// configuration is a crawler's Configuration, compiled.
type configuration struct {
	mergeNewColumns bool // keep known columns as they are and add new ones
	combine         bool // one table per target wherever formats allow it
	tableLevel      int  // folders at this level are tables; 0 is found out. The bucket is 1.
	tablesMax       int  // 0 is no bound
	partitionIndex  bool
}

// parseConfiguration reads the JSON of a crawler's Configuration; empty is all defaults. ErrInvalid for what is not
// known.
func parseConfiguration(text string) (configuration, error) {
	var c configuration
	if text == "" {
		return c, nil
	}
	var in struct {
		Version       float64
		CrawlerOutput struct {
			Tables struct {
				AddOrUpdateBehavior string
				TableThreshold      int
			}
			Partitions struct{ AddOrUpdateBehavior string }
		}
		Grouping struct {
			TableGroupingPolicy     string
			TableLevelConfiguration int
		}
		CreatePartitionIndex bool
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return c, catalog.Failf(catalog.ErrInvalid, "Configuration is not valid: %v", err)
	}
	tables, partitions, grouping := in.CrawlerOutput.Tables, in.CrawlerOutput.Partitions, in.Grouping
	switch {
	case d.More():
		return c, catalog.Failf(catalog.ErrInvalid, "Configuration has more after its end")
	case in.Version != 1:
		return c, catalog.Failf(catalog.ErrInvalid, "Configuration has Version %v, only 1.0 is known", in.Version)
	case tables.AddOrUpdateBehavior != "" && tables.AddOrUpdateBehavior != "MergeNewColumns":
		return c, catalog.Failf(catalog.ErrInvalid, "CrawlerOutput.Tables.AddOrUpdateBehavior contains unsupported value: %s", tables.AddOrUpdateBehavior)
	case partitions.AddOrUpdateBehavior != "" && partitions.AddOrUpdateBehavior != "InheritFromTable":
		return c, catalog.Failf(catalog.ErrInvalid, "CrawlerOutput.Partitions.AddOrUpdateBehavior contains unsupported value: %s", partitions.AddOrUpdateBehavior)
	case grouping.TableGroupingPolicy != "" && grouping.TableGroupingPolicy != "CombineCompatibleSchemas":
		return c, catalog.Failf(catalog.ErrInvalid, "Grouping.TableGroupingPolicy contains unsupported value: %s", grouping.TableGroupingPolicy)
	case grouping.TableLevelConfiguration < 0 || tables.TableThreshold < 0:
		return c, catalog.Failf(catalog.ErrInvalid, "Configuration has a negative number")
	}
	return configuration{
		mergeNewColumns: tables.AddOrUpdateBehavior == "MergeNewColumns",
		combine:         grouping.TableGroupingPolicy == "CombineCompatibleSchemas",
		tableLevel:      grouping.TableLevelConfiguration,
		tablesMax:       tables.TableThreshold,
		partitionIndex:  in.CreatePartitionIndex,
	}, nil
}

// Check refuses a definition that could not be run. ErrInvalid.
func Check(c *catalog.Crawler) error {
	if c.Database == "" {
		return catalog.Failf(catalog.ErrInvalid, "DatabaseName cannot be empty")
	}
	if len(c.S3)+len(c.Delta) == 0 {
		return catalog.Failf(catalog.ErrInvalid, "At least one crawl target is required")
	}
	for _, t := range c.S3 {
		if err := checkPath(t.Path); err != nil {
			return err
		}
		for _, e := range t.Exclusions {
			if _, err := compileGlob(e); err != nil {
				return catalog.Failf(catalog.ErrInvalid, "%v", err)
			}
		}
	}
	for _, t := range c.Delta {
		if !t.Native {
			return catalog.Failf(catalog.ErrInvalid, "CreateNativeDeltaTable must be true: symlink manifests are not supported")
		}
		for _, path := range t.Tables {
			if err := checkPath(path); err != nil {
				return err
			}
		}
	}
	if c.Schedule != "" {
		if _, err := catalog.ParseCron(c.Schedule); err != nil {
			return err
		}
	}
	if c.Recrawl == newFoldersOnly && (c.UpdateBehavior != logOnly || c.DeleteBehavior != logOnly) {
		return catalog.Failf(catalog.ErrInvalid, "The SchemaChangePolicy for %s must have LOG for UpdateBehavior and DeleteBehavior", newFoldersOnly)
	}
	_, err := parseConfiguration(c.Configuration)
	return err
}

func checkPath(path string) error {
	if _, _, err := objstore.ParseURL(path); err != nil {
		return catalog.Failf(catalog.ErrInvalid, "%v", err)
	}
	return nil
}

// The values of a crawler's policies.
const (
	logOnly        = "LOG"
	update         = "UPDATE_IN_DATABASE"
	deleteVanished = "DELETE_FROM_DATABASE"
	newFoldersOnly = "CRAWL_NEW_FOLDERS_ONLY"
)
