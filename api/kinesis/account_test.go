package kinesis_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func (w *world) commit(status types.MinimumThroughputBillingCommitmentInputStatus) *types.MinimumThroughputBillingCommitmentOutput {
	w.Helper()
	out, err := w.UpdateAccountSettings(w.Context(), &sdk.UpdateAccountSettingsInput{
		MinimumThroughputBillingCommitment: &types.MinimumThroughputBillingCommitmentInput{Status: status},
	})
	w.check(err)
	return out.MinimumThroughputBillingCommitment
}

func (w *world) commitment() *types.MinimumThroughputBillingCommitmentOutput {
	w.Helper()
	out, err := w.DescribeAccountSettings(w.Context(), &sdk.DescribeAccountSettingsInput{})
	w.check(err)
	return out.MinimumThroughputBillingCommitment
}

// A commitment runs for a day at least: disabled before, it ends by itself, unless it is enabled again in time.
func TestAccountSettings(t *testing.T) {
	const (
		enabled  = types.MinimumThroughputBillingCommitmentOutputStatusEnabled
		disabled = types.MinimumThroughputBillingCommitmentOutputStatusDisabled
		ending   = types.MinimumThroughputBillingCommitmentOutputStatusEnabledUntilEarliestAllowedEnd
		on       = types.MinimumThroughputBillingCommitmentInputStatusEnabled
		off      = types.MinimumThroughputBillingCommitmentInputStatusDisabled
	)
	w := newWorld(t)
	want := func(got *types.MinimumThroughputBillingCommitmentOutput, status types.MinimumThroughputBillingCommitmentOutputStatus, started, ended, earliest time.Time) {
		t.Helper()
		at := func(p *time.Time) time.Time { return aws.ToTime(p).UTC() }
		if got.Status != status || !at(got.StartedAt).Equal(started) || !at(got.EndedAt).Equal(ended) || !at(got.EarliestAllowedEndAt).Equal(earliest) {
			t.Fatalf("%s from %v to %v, not before %v", got.Status, got.StartedAt, got.EndedAt, got.EarliestAllowedEndAt)
		}
	}
	never, start, day := time.Time{}, w.clock.Now(), 24*time.Hour
	want(w.commitment(), disabled, never, never, never)
	want(w.commit(off), disabled, never, never, never)
	want(w.commit(on), enabled, start, never, start.Add(day))
	w.clock.advance(time.Hour)
	want(w.commit(on), enabled, start, never, start.Add(day))
	want(w.commit(off), ending, start, never, start.Add(day))
	want(w.commit(on), enabled, start, never, start.Add(day))
	want(w.commit(off), ending, start, never, start.Add(day))
	w.stop()
	w.start()
	want(w.commitment(), ending, start, never, start.Add(day))
	w.clock.advance(23 * time.Hour)
	want(w.commitment(), disabled, start, start.Add(day), never)
	w.clock.advance(time.Hour)
	again := w.clock.Now()
	want(w.commit(on), enabled, again, never, again.Add(day))
	w.clock.advance(2 * day)
	want(w.commit(off), disabled, again, w.clock.Now(), never)

	_, err := w.UpdateAccountSettings(t.Context(), &sdk.UpdateAccountSettingsInput{
		MinimumThroughputBillingCommitment: &types.MinimumThroughputBillingCommitmentInput{Status: "x"},
	})
	w.wantError(err, "ValidationException", "'minimumThroughputBillingCommitment.status'", "[ENABLED, DISABLED]")
}

// Warm throughput needs the commitment and an on-demand stream, which then has a shard for each MiB a second.
func TestWarmThroughput(t *testing.T) {
	w := newWorld(t)
	w.create("p", 1)
	w.createOnDemand("s", "")
	onDemand := &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}
	warm := func(name string, mibps int32) (*types.WarmThroughputObject, error) {
		out, err := w.UpdateStreamWarmThroughput(t.Context(), &sdk.UpdateStreamWarmThroughputInput{StreamName: &name, WarmThroughputMiBps: &mibps})
		if err != nil {
			return nil, err
		}
		if *out.StreamName != name || *out.StreamARN != w.store.StreamARN(name) {
			t.Errorf("answer about %s %s", *out.StreamName, *out.StreamARN)
		}
		return out.WarmThroughput, nil
	}
	want := func(got *types.WarmThroughputObject, target, current int32) {
		t.Helper()
		if *got.TargetMiBps != target || *got.CurrentMiBps != current {
			t.Errorf("target %d current %d", *got.TargetMiBps, *got.CurrentMiBps)
		}
	}
	_, err := warm("s", 6)
	w.wantError(err, "ValidationException", "MinimumThroughputBillingCommitment")
	if d := w.summary("s"); d.WarmThroughput != nil {
		t.Error("warm throughput without commitment")
	}
	w.commit(types.MinimumThroughputBillingCommitmentInputStatusEnabled)
	want(w.summary("s").WarmThroughput, 4, 4)
	got, err := warm("s", 6)
	w.check(err)
	want(got, 6, 6)
	got, err = warm("s", 5) // nothing is merged
	w.check(err)
	want(got, 5, 6)
	_, err = warm("s", 10241)
	w.wantError(err, "LimitExceededException", "10240")
	_, err = warm("p", 6)
	w.wantError(err, "ValidationException", "ON_DEMAND")
	_, err = warm("none", 6)
	w.wantError(err, "ResourceNotFoundException")

	_, err = w.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: aws.String("new"), StreamModeDetails: onDemand, WarmThroughputMiBps: aws.Int32(9)})
	w.check(err)
	want(w.summary("new").WarmThroughput, 9, 9)
	if n := *w.summary("new").OpenShardCount; n != 9 {
		t.Errorf("%d shards", n)
	}
	mode := &sdk.UpdateStreamModeInput{StreamARN: aws.String(w.store.StreamARN("p")), StreamModeDetails: onDemand, WarmThroughputMiBps: aws.Int32(2)}
	_, err = w.UpdateStreamMode(t.Context(), mode)
	w.check(err)
	want(w.summary("p").WarmThroughput, 2, 2)
	w.stop()
	w.start()
	want(w.summary("p").WarmThroughput, 2, 2)
	mode.StreamModeDetails = &types.StreamModeDetails{StreamMode: types.StreamModeProvisioned}
	_, err = w.UpdateStreamMode(t.Context(), mode)
	w.wantError(err, "ValidationException", "ON_DEMAND")
	mode.WarmThroughputMiBps = nil
	_, err = w.UpdateStreamMode(t.Context(), mode)
	w.check(err)
	if d := w.summary("p"); d.WarmThroughput != nil || *d.OpenShardCount != 2 {
		t.Errorf("%+v with %d shards", d.WarmThroughput, *d.OpenShardCount)
	}
}

// An account has fifty on-demand streams at most, whether they are made so or become so.
func TestOnDemandStreamLimit(t *testing.T) {
	w := newLimitedWorld(t)
	for i := range 50 {
		w.createOnDemand(fmt.Sprint("s", i), "")
		w.clock.advance(time.Second)
	}
	onDemand := &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}
	_, err := w.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: aws.String("more"), StreamModeDetails: onDemand})
	w.wantError(err, "LimitExceededException", "On-Demand streams for the account 000000000000 in us-east-1", "Limit: 50")
	w.create("p", 1)
	_, err = w.UpdateStreamMode(t.Context(), &sdk.UpdateStreamModeInput{StreamARN: aws.String(w.store.StreamARN("p")), StreamModeDetails: onDemand})
	w.wantError(err, "LimitExceededException", "On-Demand streams")
}
