package s3

import (
	"net/http"

	"github.com/weir-data/weir/wire"
)

type operation func(*Handler, *call) error

// methods are the operations on one sub-resource by HTTP method.
type methods map[string]operation

var serviceMethods = methods{"GET": (*Handler).listBuckets}

// bucketOperations are by sub-resource, a query parameter; "" is the bucket itself. Those of configs are beside them.
var bucketOperations = map[string]methods{
	"": {
		"PUT": (*Handler).createBucket, "HEAD": (*Handler).headBucket, "DELETE": (*Handler).deleteBucket,
		"GET": (*Handler).listObjects,
	},
	"list-type":           {"GET": (*Handler).listObjectsV2},
	"versions":            {"GET": (*Handler).listVersions},
	"uploads":             {"GET": (*Handler).listUploads},
	"location":            {"GET": (*Handler).getLocation},
	"delete":              {"POST": (*Handler).deleteObjects},
	"versioning":          {"GET": (*Handler).getVersioning, "PUT": (*Handler).putVersioning},
	"acl":                 {"GET": (*Handler).getBucketACL, "PUT": (*Handler).putBucketACL},
	"notification":        {"GET": (*Handler).getNotification, "PUT": (*Handler).putNotification},
	"analytics":           {"GET": listOfNone("ListBucketAnalyticsConfigurationsResult")},
	"inventory":           {"GET": listOfNone("ListInventoryConfigurationsResult")},
	"metrics":             {"GET": listOfNone("ListMetricsConfigurationsResult")},
	"intelligent-tiering": {"GET": listOfNone("ListBucketIntelligentTieringConfigurationsOutput")},
}

var objectOperations = map[string]methods{
	"": {
		"GET": (*Handler).getObject, "HEAD": (*Handler).headObject, "PUT": (*Handler).putObject,
		"DELETE": (*Handler).deleteObject,
	},
	"attributes": {"GET": (*Handler).getAttributes},
	"tagging":    {"GET": (*Handler).getObjectTags, "PUT": (*Handler).putObjectTags, "DELETE": (*Handler).deleteObjectTags},
	"acl":        {"GET": (*Handler).getObjectACL, "PUT": (*Handler).putObjectACL},
	"uploads":    {"POST": (*Handler).createUpload},
	"uploadId": {
		"PUT": (*Handler).uploadPart, "GET": (*Handler).listParts, "POST": (*Handler).completeUpload,
		"DELETE": (*Handler).abortUpload,
	},
}

// refused are sub-resources of S3 that we do not have.
var refused = map[string]bool{
	"torrent": true, "legal-hold": true, "retention": true, "restore": true, "select": true, "policyStatus": true,
	"session": true, "metadataTable": true, "metadataConfiguration": true, "metadataInventoryTable": true,
	"metadataJournalTable": true, "renameObject": true, "abac": true, "encryption": true, "append": true,
}

// route finds the operation that a request asks for.
func route(c *call) (operation, error) {
	switch {
	case c.bucket == "":
		return pick(serviceMethods, c)
	case c.key == "":
		if cfg := configOf(c); cfg != nil {
			return pick(cfg.methods(), c)
		}
		return routeSub(bucketOperations, c)
	}
	return routeSub(objectOperations, c)
}

func routeSub(ops map[string]methods, c *call) (operation, error) {
	for name := range c.query {
		if name != "" && ops[name] != nil {
			return pick(ops[name], c)
		}
	}
	for name := range c.query {
		if refused[name] {
			return nil, notImplemented("sub-resource " + name)
		}
	}
	if c.Method == http.MethodPost {
		return nil, notImplemented("POST without a sub-resource")
	}
	return pick(ops[""], c)
}

func pick(m methods, c *call) (operation, error) {
	if op := m[c.Method]; op != nil {
		return op, nil
	}
	return nil, &wire.Error{
		Name: "MethodNotAllowed", Status: http.StatusMethodNotAllowed,
		Message: "The specified method is not allowed against this resource.", Fields: map[string]any{"Method": c.Method},
	}
}

func notImplemented(what string) error {
	return wire.Errorf("NotImplemented", http.StatusNotImplemented, "A header, parameter or operation you provided implies functionality that is not implemented: %s", what)
}
