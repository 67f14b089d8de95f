package kinesis

// StartStreamEncryption and StopStreamEncryption. Records that come after the answer are encrypted at rest, or no longer;
// AWS is UPDATING for a while in between. There is no KMS here: keys lie in a folder of this machine, and a well-formed
// id that is new gives a new key. Older records stay readable as long as the keys are there that they were encrypted under.

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/internal/keyring"
	"github.com/weir-data/weir/wire"
)

func (s *service) startStreamEncryption(ctx context.Context, in *kinesis.StartStreamEncryptionInput) (*kinesis.StartStreamEncryptionOutput, error) {
	if err := checkEncryption(in.EncryptionType, in.KeyId, in.StreamName, in.StreamARN, in.StreamId); err != nil {
		return nil, err
	}
	d, err := s.described(ctx, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if d.KeyID == "" || !keyring.Same(d.KeyID, *in.KeyId) {
		if err := s.checkChanges("StartStreamEncryption", d); err != nil {
			return nil, err
		}
	}
	if err := s.streams.SetEncryption(ctx, d.Name, *in.KeyId); err != nil {
		return nil, s.noStream(err, d.Name)
	}
	return &kinesis.StartStreamEncryptionOutput{}, nil
}

func (s *service) stopStreamEncryption(ctx context.Context, in *kinesis.StopStreamEncryptionInput) (*kinesis.StopStreamEncryptionOutput, error) {
	if err := checkEncryption(in.EncryptionType, in.KeyId, in.StreamName, in.StreamARN, in.StreamId); err != nil {
		return nil, err
	}
	d, err := s.described(ctx, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if d.KeyID != "" && !keyring.Same(d.KeyID, *in.KeyId) {
		return nil, invalidArgument("Stream %s under account %s is not encrypted with key %s.", d.Name, s.streams.Account(), *in.KeyId)
	}
	if d.KeyID != "" {
		if err := s.checkChanges("StopStreamEncryption", d); err != nil {
			return nil, err
		}
	}
	if err := s.streams.SetEncryption(ctx, d.Name, ""); err != nil {
		return nil, s.noStream(err, d.Name)
	}
	return &kinesis.StopStreamEncryptionOutput{}, nil
}

func checkEncryption(encryption types.EncryptionType, keyID, name, arn, id *string) error {
	var v wire.Violations
	v.Required(encryption != "", "encryptionType")
	wire.Enum(&v, encryption, "encryptionType", encryption.Values())
	v.Required(keyID != nil, "keyId")
	v.Length(keyID, "keyId", 1, 2048)
	checkStream(&v, name, arn, id)
	if err := v.Err(); err != nil {
		return err
	}
	if encryption != types.EncryptionTypeKms {
		return invalidArgument("EncryptionType %s is not valid. The only valid value is KMS.", encryption)
	}
	return nil
}

// encryptionType is how an answer says whether records are encrypted.
func encryptionType(encrypted bool) types.EncryptionType {
	if encrypted {
		return types.EncryptionTypeKms
	}
	return types.EncryptionTypeNone
}
