package delivery

import (
	"encoding/json"

	"github.com/weir-data/weir/batch"
)

// formatConversionFailed is the error output type of records that do not convert.
const formatConversionFailed = "format-conversion-failed"

// failedRecord is a line of an error object, in Firehose's own layout. Times are milliseconds since the epoch.
type failedRecord struct {
	AttemptsMade           int              `json:"attemptsMade"`
	ArrivalTimestamp       int64            `json:"arrivalTimestamp"`
	LastErrorCode          string           `json:"lastErrorCode"`
	LastErrorMessage       string           `json:"lastErrorMessage"`
	AttemptEndingTimestamp int64            `json:"attemptEndingTimestamp"`
	RawData                []byte           `json:"rawData"`
	SequenceNumber         *string          `json:"sequenceNumber"`
	SubSequenceNumber      *int             `json:"subSequenceNumber"`
	DataCatalogTable       dataCatalogTable `json:"dataCatalogTable"`
}

type dataCatalogTable struct {
	CatalogID    string  `json:"catalogId"`
	DatabaseName string  `json:"databaseName"`
	TableName    string  `json:"tableName"`
	Region       string  `json:"region"`
	VersionID    string  `json:"versionId"`
	CatalogARN   *string `json:"catalogArn"`
}

// failedLine appends the line of a record. The ending of the attempt is the instant of the plan: a plan that is carried
// out twice writes the same bytes.
func (f *flush) failedLine(line []byte, r batch.Record, why *reason) []byte {
	c := f.plan.Config.Conversion
	record := failedRecord{
		AttemptsMade:           1,
		ArrivalTimestamp:       r.Arrival.UnixMilli(),
		LastErrorCode:          why.code,
		LastErrorMessage:       why.message,
		AttemptEndingTimestamp: f.plan.Made.UnixMilli(),
		RawData:                r.Data,
		DataCatalogTable: dataCatalogTable{CatalogID: c.Catalog, DatabaseName: c.Database, TableName: c.Table,
			Region: c.Region, VersionID: c.Version},
	}
	if f.info.Source != "" {
		number := r.SequenceNumber()
		record.SequenceNumber = &number
		if r.Aggregated {
			record.SubSequenceNumber = &r.SubSeqNum
		}
	}
	raw, err := json.Marshal(record)
	if err != nil {
		panic(err) // strings, numbers and bytes always encode
	}
	return append(append(line, raw...), '\n')
}
