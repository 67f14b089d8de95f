package delta

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Action is one line of a commit; exactly one of its fields is set, or none for an action of a kind that readers
// may ignore because a later protocol added it.
type Action struct {
	Protocol           *Protocol           `json:"protocol,omitempty"`
	Metadata           *Metadata           `json:"metaData,omitempty"`
	Add                *Add                `json:"add,omitempty"`
	Remove             *Remove             `json:"remove,omitempty"`
	CDC                *CDC                `json:"cdc,omitempty"`
	Txn                *Txn                `json:"txn,omitempty"`
	CommitInfo         *CommitInfo         `json:"commitInfo,omitempty"`
	DomainMetadata     *DomainMetadata     `json:"domainMetadata,omitempty"`
	CheckpointMetadata *CheckpointMetadata `json:"checkpointMetadata,omitempty"`
	Sidecar            *Sidecar            `json:"sidecar,omitempty"`
}

// Protocol says what a reader and a writer must understand. The feature lists are nil below reader version 3 and
// writer version 7.
type Protocol struct {
	MinReaderVersion int      `json:"minReaderVersion"`
	MinWriterVersion int      `json:"minWriterVersion"`
	ReaderFeatures   []string `json:"readerFeatures,omitempty"`
	WriterFeatures   []string `json:"writerFeatures,omitempty"`
}

// Metadata describes the table from its commit on.
type Metadata struct {
	ID               string            `json:"id"`
	Name             string            `json:"name,omitempty"`
	Description      string            `json:"description,omitempty"`
	Format           Format            `json:"format"`
	SchemaString     string            `json:"schemaString"`
	PartitionColumns []string          `json:"partitionColumns"`
	Configuration    map[string]string `json:"configuration"`
	CreatedTime      int64             `json:"createdTime,omitempty"` // milliseconds since the epoch
}

// Format is the format of the data files; only parquet is read.
type Format struct {
	Provider string            `json:"provider"`
	Options  map[string]string `json:"options"`
}

// Add makes a data file part of the table. Path is URI-encoded as in the log.
type Add struct {
	Path                    string             `json:"path"`
	PartitionValues         map[string]*string `json:"partitionValues"`
	Size                    int64              `json:"size"`
	ModificationTime        int64              `json:"modificationTime"` // milliseconds since the epoch
	DataChange              bool               `json:"dataChange"`
	Stats                   string             `json:"stats,omitempty"` // JSON, see ParseStats
	Tags                    map[string]*string `json:"tags,omitempty"`
	DeletionVector          *DeletionVector    `json:"deletionVector,omitempty"`
	BaseRowID               *int64             `json:"baseRowId,omitempty"`
	DefaultRowCommitVersion *int64             `json:"defaultRowCommitVersion,omitempty"`
	ClusteringProvider      string             `json:"clusteringProvider,omitempty"`
}

// Remove takes a data file out of the table; it stays as a tombstone for the retention time.
type Remove struct {
	Path                    string             `json:"path"`
	DeletionTimestamp       int64              `json:"deletionTimestamp,omitempty"` // milliseconds since the epoch
	DataChange              bool               `json:"dataChange"`
	ExtendedFileMetadata    bool               `json:"extendedFileMetadata,omitempty"`
	PartitionValues         map[string]*string `json:"partitionValues,omitempty"`
	Size                    int64              `json:"size,omitempty"`
	Tags                    map[string]*string `json:"tags,omitempty"`
	DeletionVector          *DeletionVector    `json:"deletionVector,omitempty"`
	BaseRowID               *int64             `json:"baseRowId,omitempty"`
	DefaultRowCommitVersion *int64             `json:"defaultRowCommitVersion,omitempty"`
}

// CDC names a file of changed rows; it is no part of the table. Path is URI-encoded as in the log.
type CDC struct {
	Path            string             `json:"path"`
	PartitionValues map[string]*string `json:"partitionValues"`
	Size            int64              `json:"size"`
	DataChange      bool               `json:"dataChange"` // always false
	Tags            map[string]*string `json:"tags,omitempty"`
}

// DeletionVector names the rows of a data file that are deleted.
type DeletionVector struct {
	StorageType    string `json:"storageType"`
	PathOrInlineDv string `json:"pathOrInlineDv"`
	Offset         *int32 `json:"offset,omitempty"`
	SizeInBytes    int32  `json:"sizeInBytes"`
	Cardinality    int64  `json:"cardinality"`
	MaxRowIndex    *int64 `json:"maxRowIndex,omitempty"`
}

// id is unique among the deletion vectors of one data file.
func (v *DeletionVector) id() string {
	if v == nil {
		return ""
	}
	if v.Offset == nil {
		return v.StorageType + v.PathOrInlineDv
	}
	return fmt.Sprintf("%s%s@%d", v.StorageType, v.PathOrInlineDv, *v.Offset)
}

// Txn is an application's own progress, recorded with the data that it covers.
type Txn struct {
	AppID       string `json:"appId"`
	Version     int64  `json:"version"`
	LastUpdated int64  `json:"lastUpdated,omitempty"` // milliseconds since the epoch
}

// CommitInfo is a commit's provenance. Engines write what they like into it: what is not of the usual type is left
// at its zero value.
type CommitInfo struct {
	Timestamp           int64             // milliseconds since the epoch
	InCommitTimestamp   *int64            // milliseconds since the epoch, where the table has the feature
	Operation           string            // WRITE, STREAMING UPDATE, CREATE TABLE …
	OperationParameters map[string]any    // values as JSON has them
	OperationMetrics    map[string]string // counts as text
	ReadVersion         *int64
	IsolationLevel      string
	IsBlindAppend       *bool // nil if the writer did not say
	EngineInfo          string
	TxnID               string
}

// DomainMetadata is a named configuration of the table, owned by whoever knows its domain.
type DomainMetadata struct {
	Domain        string `json:"domain"`
	Configuration string `json:"configuration"`
	Removed       bool   `json:"removed"`
}

// CheckpointMetadata opens a V2 checkpoint.
type CheckpointMetadata struct {
	Version int64 `json:"version"`
}

// Sidecar is a file in _delta_log/_sidecars that holds part of a V2 checkpoint.
type Sidecar struct {
	Path             string `json:"path"`
	SizeInBytes      int64  `json:"sizeInBytes"`
	ModificationTime int64  `json:"modificationTime"`
}

// commitInfoJSON is a CommitInfo on the wire: read member by member so that an odd one does not spoil the rest.
type commitInfoJSON struct {
	Timestamp           json.RawMessage `json:"timestamp,omitempty"`
	InCommitTimestamp   json.RawMessage `json:"inCommitTimestamp,omitempty"`
	Operation           json.RawMessage `json:"operation,omitempty"`
	OperationParameters json.RawMessage `json:"operationParameters,omitempty"`
	ReadVersion         json.RawMessage `json:"readVersion,omitempty"`
	IsolationLevel      json.RawMessage `json:"isolationLevel,omitempty"`
	IsBlindAppend       json.RawMessage `json:"isBlindAppend,omitempty"`
	OperationMetrics    json.RawMessage `json:"operationMetrics,omitempty"`
	EngineInfo          json.RawMessage `json:"engineInfo,omitempty"`
	TxnID               json.RawMessage `json:"txnId,omitempty"`
}

// UnmarshalJSON reads what it can; only text that is no JSON object is an error.
func (c *CommitInfo) UnmarshalJSON(data []byte) error {
	var w commitInfoJSON
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	read := func(raw json.RawMessage, to any) bool {
		return len(raw) > 0 && json.Unmarshal(raw, to) == nil
	}
	var out CommitInfo
	read(w.Timestamp, &out.Timestamp)
	if !read(w.InCommitTimestamp, &out.InCommitTimestamp) {
		out.InCommitTimestamp = nil
	}
	read(w.Operation, &out.Operation)
	if !read(w.ReadVersion, &out.ReadVersion) {
		out.ReadVersion = nil
	}
	read(w.IsolationLevel, &out.IsolationLevel)
	if !read(w.IsBlindAppend, &out.IsBlindAppend) {
		out.IsBlindAppend = nil
	}
	read(w.EngineInfo, &out.EngineInfo)
	read(w.TxnID, &out.TxnID)
	read(w.OperationParameters, &out.OperationParameters)
	var metrics map[string]any
	if read(w.OperationMetrics, &metrics) && len(metrics) > 0 {
		out.OperationMetrics = make(map[string]string, len(metrics))
		for k, v := range metrics {
			out.OperationMetrics[k] = fmt.Sprint(v)
		}
	}
	*c = out
	return nil
}

// MarshalJSON writes the members in the order that Spark uses.
func (c *CommitInfo) MarshalJSON() ([]byte, error) {
	return marshalPlain(struct {
		InCommitTimestamp   *int64            `json:"inCommitTimestamp,omitempty"`
		Timestamp           int64             `json:"timestamp"`
		Operation           string            `json:"operation"`
		OperationParameters map[string]any    `json:"operationParameters"`
		ReadVersion         *int64            `json:"readVersion,omitempty"`
		IsolationLevel      string            `json:"isolationLevel,omitempty"`
		IsBlindAppend       *bool             `json:"isBlindAppend,omitempty"`
		OperationMetrics    map[string]string `json:"operationMetrics,omitempty"`
		EngineInfo          string            `json:"engineInfo,omitempty"`
		TxnID               string            `json:"txnId,omitempty"`
	}{c.InCommitTimestamp, c.Timestamp, c.Operation, c.OperationParameters, c.ReadVersion, c.IsolationLevel,
		c.IsBlindAppend, c.OperationMetrics, c.EngineInfo, c.TxnID})
}

// marshalPlain is json.Marshal without the escaping of <, > and &.
func marshalPlain(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// EncodeActions writes actions as the body of a commit, one JSON object a line.
func EncodeActions(actions []Action) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for i := range actions {
		if err := enc.Encode(&actions[i]); err != nil {
			return nil, fmt.Errorf("encode action %d: %w", i, err)
		}
	}
	return b.Bytes(), nil
}
