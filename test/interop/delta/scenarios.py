"""What the round trips do to a table: a scenario each, of which some need a newer Spark than others."""

import collections

import columns
import logs
from turns import alternate, two

Scenario = collections.namedtuple("Scenario", "run spark without", defaults=("3.5", ()))
VECTORS = {"delta.enableDeletionVectors": "true"}
SCENARIOS = {
    "of_weir": Scenario(lambda t: alternate(t, "weir", [])),
    "of_weir_by_region_and_slot": Scenario(lambda t: alternate(t, "weir", ["region", "slot"])),
    "of_spark_by_slot_and_region": Scenario(lambda t: alternate(t, "spark", ["slot", "region"])),
    "of_delta_rs": Scenario(lambda t: alternate(t, "delta-rs", ["region"])),
    "deletion_vectors": Scenario(lambda t: two(t, VECTORS)),
    "deletion_vectors_by_region": Scenario(lambda t: two(t, VECTORS, ["region"])),
    "vectors_of_weir": Scenario(lambda t: two(t, VECTORS, ["slot"], "weir")),
    "mapped_by_spark": Scenario(lambda t: columns.mapped(t, "spark")),
    "mapped_by_weir": Scenario(lambda t: columns.mapped(t, "weir")),
    "mapped_by_id": Scenario(columns.mapped_by_id),
    "renamed": Scenario(columns.renamed),
    "grown": Scenario(columns.grown),
    "v2_checkpoint": Scenario(lambda t: alternate(t, "spark", [], {"delta.checkpointPolicy": "v2"})),
    "v2_checkpoint_of_weir": Scenario(lambda t: alternate(t, "weir", [], {"delta.checkpointPolicy": "v2"})),
    "v2_checkpoint_with_vectors": Scenario(lambda t: two(t, {"delta.checkpointPolicy": "v2", **VECTORS})),
    "sidecars_json": Scenario(lambda t: logs.sidecars(t, "json")),
    "sidecars_parquet": Scenario(lambda t: logs.sidecars(t, "parquet")),
    "multi_part_checkpoint": Scenario(logs.multi_part),
    "restored": Scenario(logs.restored),
    "z_ordered": Scenario(logs.z_ordered),
    "in_commit_timestamps_preview": Scenario(lambda t: two(t, {"delta.enableInCommitTimestamps-preview": "true"})),
    "clustered": Scenario(logs.clustered),
    "changes_of_spark": Scenario(lambda t: logs.with_changes(t, "spark")),
    "changes_of_weir": Scenario(lambda t: logs.with_changes(t, "weir")),
    "rules": Scenario(columns.with_rules),
    "defaults": Scenario(columns.with_defaults, without=("delta-rs",)),
    "lengths": Scenario(columns.with_lengths),
    "generated": Scenario(lambda t: columns.with_generated(t, "spark")),
    "generated_of_weir": Scenario(lambda t: columns.with_generated(t, "weir")),
    "type_widening_preview": Scenario(lambda t: columns.widened(t, [("spark", "tiny", "short"), ("spark", "small", "integer"), ("spark", "tiny", "integer")]), without=("delta-rs",)),
    "of_spark_4": Scenario(lambda t: alternate(t, "spark", ["region"]), "4.0"),
    "vectors_of_spark_4": Scenario(lambda t: two(t, VECTORS, ["slot"]), "4.0"),
    "log_compactions": Scenario(logs.log_compactions, "4.0"),
    "identity": Scenario(columns.with_identity, "4.0"),
    "in_commit_timestamps": Scenario(logs.in_commit_timestamps, "4.0"),
    "row_tracking": Scenario(lambda t: logs.tracked(t, {}), "4.0"),
    "row_tracking_with_vectors": Scenario(lambda t: logs.tracked(t, VECTORS), "4.0"),
    "row_tracking_by_id": Scenario(lambda t: logs.tracked(t, {"delta.columnMapping.mode": "id"}), "4.0"),
    "row_tracking_later": Scenario(logs.tracked_later, "4.0"),
    "type_widening": Scenario(lambda t: columns.widened(t, [
        ("spark", "tiny", "short"), ("weir", "small", "integer"), ("spark", "num", "long"), ("weir", "tiny", "integer"), ("spark", "single", "double"),
        ("weir", "price", "decimal(20,5)"), ("spark", "price", "decimal(24,7)"), ("weir", "small", "double")]), "4.0", ("delta-rs",)),
    "clustered_by_spark_4": Scenario(logs.clustered, "4.0"),
    "variant": Scenario(columns.variant, "4.0"),
}
CORE = ["of_weir_by_region_and_slot", "deletion_vectors_by_region", "changes_of_weir"]
