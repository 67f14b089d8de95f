// Package examples holds the two tutorials as a user would keep them: programs, a pipeline file, Terraform. Go code takes
// from here the pipeline that the demo runs, so that the one in the README is the one that is tried.
package examples

import _ "embed"

// RidesPipeline is the pipeline file of the rides tutorial.
//
//go:embed rides/rides.yaml
var RidesPipeline []byte
