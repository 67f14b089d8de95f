"""The results of a run as tables for people."""

WEIR = ("weir run", "weir serve")


def tables(results):
    return "\n".join(throughput([r for r in results if "cold" in r]) + latency([r for r in results if "p99_ms" in r]))


def of(results, what, who):
    return next((r for r in results if r["what"] == what and r["who"] == who), None)


def names(results):
    return list(dict.fromkeys(r["what"] for r in results))


def times(a, b):
    return "%.2f" % (a / b) if a and b else ""


def throughput(results):
    if not results:
        return []
    out = ["", "records/s of a whole process from its start; steady: without start and first batches; how many times that of the limit and of Spark", "",
           "| what | who | cold | steady | cold / limit | steady / limit | cold / Spark | steady / Spark | peak MiB |", "|---|---|---|---|---|---|---|---|---|"]
    for what in names(results):
        limit, spark = of(results, what, "limit") or {}, of(results, what, "spark") or {}
        for r in results:
            if r["what"] == what:
                ratios = [times(r[k], peer.get(k)) if r["who"] in WEIR else "" for peer in (limit, spark) for k in ("cold", "steady")]
                out.append("| %s | %s | %s | %s | %s | %s |" % (what, r["who"], whole(r["cold"]), whole(r.get("steady")), " | ".join(ratios), whole(r.get("peak"))))
    return out


def latency(results):
    if not results:
        return []
    out = ["", "from the answer to a put until the version with the record is there", "",
           "| what | who | p50 ms | p99 ms | greatest | p99 of Spark / this | put/s | committed/s | versions | peak MiB |", "|---|---|---|---|---|---|---|---|---|---|"]
    for what in names(results):
        spark = of(results, what, "spark") or {}
        for r in results:
            if r["what"] == what:
                ratio = times(spark.get("p99_ms"), r["p99_ms"]) if r["who"] in WEIR else ""
                out.append("| %s | %s | %s | %s | %s | %s | %s | %s | %d | %s |" % (what, r["who"], whole(r["p50_ms"]), whole(r["p99_ms"]), whole(r["max_ms"]), ratio,
                           whole(r["put"]), whole(r["committed_per_s"]), r["versions"], whole(r["peak"])))
    return out


def whole(x):
    return "" if x is None else format(round(x), ",")
