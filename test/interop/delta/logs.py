"""Scenarios about what the log holds beside files: changes, ids of rows, clustering, times, compactions, checkpoints."""

import json
import os

import rows as r
from turns import changes, changes_of_delta_rs, changes_of_spark, changes_of_weir, two


def with_changes(t, creator):
    """Change data feed: all read the same changes, whoever wrote them. (delta-rs finds no files of changes whose paths have escapes.)"""
    t.create(creator, ["slot"], {"delta.enableChangeDataFeed": "true"})
    t.append(creator, 0, 50)
    for n, peer in ((1, "spark"), (2, "weir"), (3, "delta-rs")):
        t.append(peer, 100 * n, 100 * n + 20)
        t.merge(peer, 100 * n + 10, 100 * n + 30, 4)
        t.delete(peer, 7, n)
        t.delete_slot(peer, r.row(n)["slot"])
        t.update(peer, 5, n, f"{peer} was here")
        t.keep(peer, "optimize")
    compare_changes(t)


def compare_changes(t):
    seen = {p: r.digest([{k: v for k, v in row.items() if k != "_commit_timestamp"} for row in t.do(p, "changes", 1)])[0] for p in t.readers}
    for peer, lines in seen.items():
        if lines != seen["spark"]:
            t.fail("all", f"the changes differ: only Spark reads {sorted(set(seen['spark']) - set(lines))[:3]}\n"
                   f"and only {peer} {sorted(set(lines) - set(seen['spark']))[:3]}")
    print(f"  the same {len(seen['spark'])} changes read by {', '.join(seen)}")


def tracked(t, vectors):
    """Row tracking: rows keep their ids and the version that changed them last, whoever writes them anew."""
    t.create("spark", [], {"delta.enableRowTracking": "true", **vectors})
    ids = {}
    changed = lambda *rows: compare_ids(t, ids, rows)
    for n, peer in ((0, "spark"), (200, "weir"), (400, "spark"), (600, "weir")):
        t.append(peer, n, n + 50)
        changed(*range(n, n + 50))
        t.delete(peer, 7, n // 200)
        changed()
        t.merge(peer, n + 30, n + 80, 1)
        changed(*range(n + 30, n + 80))
        t.update(peer, 9, n // 200, f"{peer} was here")
        changed(*(i for i in t.model if i % 9 == n // 200))
        t.keep(peer, "optimize", "vacuum", "checkpoint")
        t.forget_commits()
        changed()


def tracked_later(t):
    """Row tracking that starts when there are rows, of all writers."""
    t.create("spark", ["slot"], {"delta.enableDeletionVectors": "true"})
    t.append("spark", 0, 50)
    t.append("weir", 50, 100)
    t.merge("weir", 90, 110, 1)
    t.delete("spark", 7, 3)
    t.keep("weir", "checkpoint")
    t.do("weir", "alter", properties={"delta.enableRowTracking": "true"})
    t.step("weir tracks rows")
    ids = {}
    changed = lambda *rows: compare_ids(t, ids, rows)
    changed()
    for n, peer in ((1, "spark"), (2, "weir")):
        t.update(peer, 9, n, f"{peer} was here")
        changed(*(i for i in t.model if i % 9 == n))
        t.append(peer, 100 * n + 100, 100 * n + 140)
        changed(*range(100 * n + 100, 100 * n + 140))
        t.keep(peer, "optimize", "checkpoint")
        t.forget_commits()
        changed()


def compare_ids(t, before, changed):
    """Row ids must be the same for both readers and stay what they were; other rows than those that changed keep their commit version."""
    seen = {peer: t.do(peer, "row_ids") for peer in ("spark", "weir")}
    if seen["spark"] != seen["weir"]:
        odd = sorted(i for i in seen["spark"] if seen["spark"][i] != seen["weir"].get(i))[:5]
        t.fail("all", "row ids and versions differ: " + ", ".join(f"row {i} {seen['spark'][i]} for Spark, {seen['weir'].get(i)} for weir" for i in odd))
    now = seen["spark"]
    if len({row for row, _ in now.values()}) != len(now) or set(now) != set(t.model):
        t.fail("all", "rows without an id of their own")
    for i, (row, version) in now.items():
        old = before.get(i)
        if old and (old[0] != row or (old[1] != version) != (i in changed and version == t.version)):
            t.fail("all", f"row {i} had id and version {old} and has {(row, version)} at version {t.version}; {'changed' if i in changed else 'not changed'}")
    before.clear()
    before.update(now)


def clustered(t):
    """Liquid clustering: weir keeps the columns and their statistics, Spark the order."""
    two(t, {}, clustered=("id", "day"))
    domains = [d for v, d in t.actions("domainMetadata") if d["domain"] == "delta.clustering"]
    for v, add in t.actions("add"):
        stats = json.loads(add["stats"])
        if stats["numRecords"] and not ("id" in stats["minValues"] and "day" in stats["maxValues"]):
            t.fail("all", f"a file of version {v} has no statistics of the clustering columns")
    t.peers["spark"].sql(t.name, "ALTER TABLE {t} CLUSTER BY (slot)")
    t.step("spark clusters by another column")
    changes_of_weir(t, 400)
    t.keep("spark", "optimize")
    return domains


def z_ordered(t):
    """Files in Z-order, by each of the three."""
    t.create("weir", ["region"])
    for n, peer in enumerate(("weir", "spark", "delta-rs")):
        t.append(peer, 100 * n, 100 * n + 60)
        t.append(peer, 100 * n + 60, 100 * n + 100)
        t.keep(peer, "zorder", by=["id", "day"])
        t.delete("weir", 17, n)
    t.keep("weir", "zorder", by=["price", "word"])
    t.keep("spark", "zorder", by=["num", "at"])
    t.keep("spark", "vacuum")


def in_commit_timestamps(t):
    """In-commit timestamps: all write them, and agree about the times of versions."""
    t.create("spark", ["slot"])
    t.append("weir", 0, 50)
    t.peers["spark"].sql(t.name, "ALTER TABLE {t} SET TBLPROPERTIES ('delta.enableInCommitTimestamps' = 'true')")
    t.step("spark asks for them")
    changes_of_weir(t, 100)
    changes_of_spark(t, 200)
    changes_of_weir(t, 300)
    written = {v: c["inCommitTimestamp"] for v, c in t.actions("commitInfo") if "inCommitTimestamp" in c}
    for peer in ("spark", "weir"):
        times = t.do(peer, "history")
        if not written or any(times[v] != ms for v, ms in written.items()):
            t.fail("all", f"{peer} has the times {times}, the commits {written}")
    times = [ms for _, ms in sorted(written.items())]
    if times != sorted(set(times)):
        t.fail("all", f"times that do not rise: {written}")


def restored(t):
    """Older versions read, and made the newest again, by all."""
    t.create("spark", ["slot"])
    t.append("spark", 0, 50)
    changes_of_weir(t, 100, "optimize", "checkpoint")
    changes_of_delta_rs(t, 200, "optimize", "checkpoint")
    changes_of_spark(t, 300, "optimize", "checkpoint")
    newest = t.version
    t.travel(*range(0, newest, 2))
    t.restore("weir", 3)
    t.append("spark", 400, 420)
    t.restore("spark", 7)
    t.append("delta-rs", 420, 440)
    t.restore("delta-rs", 10)
    t.restore("weir", newest)
    t.keep("weir", "vacuum")


def log_compactions(t):
    """Log compactions of all writers, read by all: the commits that they stand for are damaged."""
    t.create("spark", ["slot"], {"delta.checkpointInterval": "1000"})
    t.append("spark", 0, 50)
    for n, write in enumerate((lambda a, b: t.do("delta-rs", "compact_log", a, b), lambda a, b: t.do("spark", "compact_log", a, b), None)):
        if write is None:
            t.do("weir", "alter", properties={"weir.logCompactionInterval": "3"})
            t.step("weir compacts its log")
        first = t.version
        for i, peer in enumerate(("weir", "spark", "delta-rs")):
            rows = 1000 * n + 100 * i + 100
            t.append(peer, rows, rows + 20)
            t.delete(peer, 7, n)
            t.merge(peer, rows + 10, rows + 30, n)
        if write:
            write(first, t.version)
        t.append("spark", 1000 * n + 400, 1000 * n + 410)
        damage(t)
    compacted = [p for p in t.log("*.compacted.json")]
    used = [name for name in t.do("spark", "segment") if name.endswith(".compacted.json")]
    if len(compacted) < 3 or len(used) < 3:
        t.fail("all", f"compactions {compacted}, of which Spark reads {used}")
    t.keep("weir", "checkpoint")
    t.keep("spark", "vacuum")


def damage(t):
    """Commits that a log compaction stands for become unreadable for a while; of two that overlap readers take the first. The newest
    commit says when and how it came about, and delta-rs reads all of them."""
    covered = set()
    for first, last in sorted(tuple(int(n) for n in os.path.basename(p).split(".")[:2]) for p in t.log("*.compacted.json")):
        if not covered or first > max(covered):
            covered.update(range(first, last + 1))
    kept = {}
    for p in t.commits():
        version = int(os.path.basename(p)[:20])
        if version in covered and version != t.version:
            with open(p) as f:
                kept[p] = f.read()
            with open(p, "w") as f:
                f.write("damaged\n")
    readers, t.readers = t.readers, ["weir", "spark"]
    t.step("commits below it are damaged")
    t.readers = readers
    for p, body in kept.items():
        with open(p, "w") as f:
            f.write(body)


def sidecars(t, kind):
    """V2 checkpoints with several sidecars."""
    t.create("spark", ["region"], {"delta.checkpointPolicy": "v2"})
    conf = {"spark.databricks.delta.checkpoint.partSize": "3", "spark.databricks.delta.checkpointV2.topLevelFileFormat": kind}
    for n in range(2):
        changes(t, "spark", 1000 * n, 1, (7, 2 * n), (5, 1))
        t.keep("spark", "checkpoint", **conf)
        names = [p for p in t.log("_sidecars/*.parquet")]
        if len(names) < 2 or not t.log(f"*.checkpoint.*.{kind}"):
            t.fail("spark checkpoints", f"sidecars {names}")
        t.forget_commits()
        changes(t, "weir", 1000 * n + 200, 2, (7, 2 * n + 1), (5, 1))
        t.keep("weir", "checkpoint")
        t.forget_commits()


def multi_part(t):
    """Classic checkpoints of several parts."""
    t.create("spark", ["region"])
    for n in range(2):
        changes(t, "spark", 1000 * n, 1, (7, 2 * n), (5, 1))
        t.keep("spark", "checkpoint", **{"spark.databricks.delta.checkpoint.partSize": "3"})
        if len(t.log("*.checkpoint.*.*.parquet")) < 2:
            t.fail("spark checkpoints", "not in parts")
        t.forget_commits()
        changes(t, "weir", 1000 * n + 200, 2, (7, 2 * n + 1), (5, 1))
