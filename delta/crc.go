package delta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weir-data/weir/objstore"
)

// versionChecksum is what a version's .crc file says of the table (section "Version Checksum File").
type versionChecksum struct {
	TxnID             string           `json:"txnId,omitempty"`
	TableSizeBytes    int64            `json:"tableSizeBytes"`
	NumFiles          int64            `json:"numFiles"`
	NumMetadata       int64            `json:"numMetadata"`
	NumProtocol       int64            `json:"numProtocol"`
	InCommitTimestamp *int64           `json:"inCommitTimestampOpt,omitempty"`
	Txns              []Txn            `json:"setTransactions,omitempty"`
	Domains           []DomainMetadata `json:"domainMetadata,omitempty"`
	Metadata          *Metadata        `json:"metadata"`
	Protocol          *Protocol        `json:"protocol"`
}

// Bounds of a version checksum: what is optional is left out above crcEntriesMax, and a larger file is not read.
const (
	crcEntriesMax = 1000
	crcBytesMax   = 64 << 20 // other engines write all files of small tables into it
)

func crcKey(version int64) string {
	return fmt.Sprintf("%s%0*d.crc", logFolder, versionDigits, version)
}

// writeChecksum writes the .crc file of a version. One that is there stays.
func (t *Table) writeChecksum(ctx context.Context, s *Snapshot, info *CommitInfo) error {
	c := versionChecksum{
		TxnID: info.TxnID, TableSizeBytes: s.files.live.bytes, NumFiles: int64(s.files.live.files), NumMetadata: 1, NumProtocol: 1,
		InCommitTimestamp: info.InCommitTimestamp, Metadata: s.metadata, Protocol: s.protocol,
	}
	if len(s.txns) <= crcEntriesMax {
		for _, app := range slices.Sorted(maps.Keys(s.txns)) {
			c.Txns = append(c.Txns, s.txns[app])
		}
	}
	if len(s.domains) <= crcEntriesMax {
		for _, name := range slices.Sorted(maps.Keys(s.domains)) {
			c.Domains = append(c.Domains, s.domains[name])
		}
	}
	body, err := marshalPlain(c)
	if err != nil {
		return err
	}
	err = t.objects.PutIfAbsent(ctx, crcKey(s.version), body)
	if errors.Is(err, objstore.ErrPrecondition) {
		return nil
	}
	return err
}

// checkSum compares a snapshot with its version's .crc file, if there is one that can be read. ErrCorrupt: they differ.
func (t *Table) checkSum(ctx context.Context, s *Snapshot) error {
	body, err := readAll(ctx, t.objects, crcKey(s.version), crcBytesMax)
	if errors.Is(err, objstore.ErrNoSuchKey) || errors.Is(err, ErrCorrupt) {
		return nil
	}
	if err != nil {
		return err
	}
	c, err := decodeChecksum(body)
	if err != nil {
		return nil // a checksum that is damaged says nothing about the table
	}
	if err := c.compare(s); err != nil {
		return fmt.Errorf("%w: version %d is not what %s says: %w", ErrCorrupt, s.version, crcKey(s.version), err)
	}
	return nil
}

func decodeChecksum(body []byte) (*versionChecksum, error) {
	var c versionChecksum
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, fmt.Errorf("%w: version checksum: %w", ErrCorrupt, err)
	}
	if c.NumMetadata != 1 || c.NumProtocol != 1 || c.Metadata == nil || c.Protocol == nil {
		return nil, fmt.Errorf("%w: version checksum without metadata or protocol", ErrCorrupt)
	}
	return &c, nil
}

// compare says where a snapshot is not what the checksum says.
func (c *versionChecksum) compare(s *Snapshot) error {
	live := s.files.live
	switch {
	case c.NumFiles != int64(live.files):
		return fmt.Errorf("%d files instead of %d", live.files, c.NumFiles)
	case c.TableSizeBytes != live.bytes:
		return fmt.Errorf("%d bytes in files instead of %d", live.bytes, c.TableSizeBytes)
	case c.Metadata.ID != s.metadata.ID:
		return fmt.Errorf("table id %s instead of %s", s.metadata.ID, c.Metadata.ID)
	case c.Metadata.SchemaString != s.metadata.SchemaString:
		return errors.New("another schema")
	case !maps.Equal(c.Metadata.Configuration, s.metadata.Configuration):
		return errors.New("other properties")
	case c.Protocol.MinReaderVersion != s.protocol.MinReaderVersion || c.Protocol.MinWriterVersion != s.protocol.MinWriterVersion:
		return errors.New("another protocol")
	}
	for _, txn := range c.Txns {
		if got := s.txns[txn.AppID]; got.Version != txn.Version {
			return fmt.Errorf("txn %q at %d instead of %d", txn.AppID, got.Version, txn.Version)
		}
	}
	return nil
}
