"""A record processor of amazon_kclpy: appends the data of each record to the file that KCLPY_OUT names."""
import os

from amazon_kclpy import kcl
from amazon_kclpy.v3 import processor


class Recorder(processor.RecordProcessorBase):
    def initialize(self, initialize_input):
        self.out = open(os.environ["KCLPY_OUT"], "ab", buffering=0)

    def process_records(self, process_records_input):
        lines = b"".join(r.binary_data + b"\n" for r in process_records_input.records)
        self.out.write(lines)  # one write at the end of the file: processes of other shards do the same
        process_records_input.checkpointer.checkpoint()

    def lease_lost(self, lease_lost_input):
        pass

    def shard_ended(self, shard_ended_input):
        self.out.write(b"ended\n")
        shard_ended_input.checkpointer.checkpoint()

    def shutdown_requested(self, shutdown_requested_input):
        shutdown_requested_input.checkpointer.checkpoint()


kcl.KCLProcess(Recorder()).run()
