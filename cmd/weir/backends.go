package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/awskinesis"
	"github.com/weir-data/weir/batch/objects"
	"github.com/weir-data/weir/batch/state"
	batchstream "github.com/weir-data/weir/batch/stream"
	"github.com/weir-data/weir/batch/tostream"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/catalog/awsglue"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/awss3"
)

// backends are what a pipeline reads from and writes to. This file is the only place that chooses between what is in
// this process and what is behind an endpoint.
type backends struct {
	where    string    // for messages
	console  io.Writer // of console sinks; nil: standard output
	source   func(stream string) batch.Source
	target   func(stream string) tostream.Stream
	objects  objstore.Store
	catalog  catalog.Catalog
	progress func(p *batch.Pipeline) (batch.ProgressStore, error)
	state    func(p *batch.Pipeline) (state.Options, error) // where the query's state is kept
}

// embedded are the parts of a house in this process: no wire between stream and table.
func embedded(h *house) backends {
	return backends{
		where:   h.cfg.Dir,
		source:  func(name string) batch.Source { return batchstream.New(h.streams, name) },
		target:  func(name string) tostream.Stream { return batchstream.NewTarget(h.streams, name) },
		objects: h.objects,
		catalog: h.catalog,
		progress: func(p *batch.Pipeline) (batch.ProgressStore, error) {
			return batch.NewMetaProgress(h.meta, p.Name), nil
		},
		state: func(p *batch.Pipeline) (state.Options, error) {
			return statePlace(h.objects, p, h.dir("pipelines", p.Name), "")
		},
	}
}

// remote are the services of an endpoint, AWS's or another weir's. Progress is kept beside the table, unless the command
// line gives another place.
func remote(cl *clients, progress string) backends { return remoteWith(cl, awss3.New(cl.S3), progress) }

// remoteWith is remote with another way to the objects.
func remoteWith(cl *clients, store objstore.Store, progress string) backends {
	return backends{
		where:   cl.Endpoint,
		source:  func(name string) batch.Source { return awskinesis.New(cl.Kinesis, name, awskinesis.Options{}) },
		target:  func(name string) tostream.Stream { return awskinesis.NewTarget(cl.Kinesis, name) },
		objects: store,
		catalog: awsglue.New(cl.Glue),
		progress: func(p *batch.Pipeline) (batch.ProgressStore, error) {
			place := progress
			if place == "" {
				place = progressPlace(p)
			}
			if !strings.Contains(place, "://") {
				return batch.OpenDirProgress(place) // locked until the process ends
			}
			return objects.New(store, place)
		},
		state: func(p *batch.Pipeline) (state.Options, error) {
			if progress != "" && !strings.Contains(progress, "://") {
				return statePlace(store, p, filepath.Join(progress, "state"), "")
			}
			if progress == "" && progressPlace(p) == "" {
				return state.Options{}, fmt.Errorf("pipeline %s writes into no bucket, beside which its progress could be kept: say where with --keep", p.Name)
			}
			dir, err := stateCache(p.Name)
			if err != nil {
				return state.Options{}, err
			}
			return statePlace(store, p, dir, cmp.Or(progress, progressPlace(p))+"/state")
		},
	}
}

// statePlace is where the state of p is kept: in the folder dir, and as well at backup, s3://bucket/folder, if that is not empty; unless
// the pipeline says something else.
func statePlace(store objstore.Store, p *batch.Pipeline, dir, backup string) (state.Options, error) {
	switch {
	case strings.Contains(p.State, "://"):
		backup = p.State
	case p.State != "":
		dir, backup = p.State, ""
	}
	dir, err := filepath.Abs(dir)
	if err != nil || backup == "" {
		return state.Options{Dir: dir}, err
	}
	folder, err := objects.NewFolder(store, backup)
	return state.Options{Dir: dir, Backup: folder}, err
}

// stateCache is the folder for the state of a pipeline that runs against an endpoint; its backup is what counts.
func stateCache(pipeline string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for state: %w; set state.location to one", err)
	}
	return filepath.Join(cache, "weir", "state", pipeline), nil
}

// progressPlace is the folder in a bucket where a pipeline's progress is kept: that of its table, else of its dead letters, else of its
// Parquet files. Empty if it writes into none.
func progressPlace(p *batch.Pipeline) string {
	location := p.DeadLetters
	for _, s := range p.Sinks {
		if s.Kind == batch.DeltaSink {
			location = s.Location
			break
		}
		if s.Kind == batch.ParquetSink && location == "" && strings.HasPrefix(s.Location, "s3://") {
			location = s.Location
		}
	}
	bucket, _, err := objstore.ParseURL(location)
	if err != nil {
		return location // objects.New says what is wrong with it
	}
	return "s3://" + bucket + "/_weir/progress/" + p.Name
}
