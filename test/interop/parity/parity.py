"""Runs the queries of cases.py with Spark Structured Streaming and with weir over the same files, one file a micro-batch, and compares what
each micro-batch gave, row by row. Usage: parity.py WORK WEIR SPARK_PYTHON [CASE…]; a weir serves at AWS_ENDPOINT_URL. --page FILE writes
the table of docs."""

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
from cases import CASES, START  # noqa: E402
from differences import DIFFERENCES  # noqa: E402


def lay_out(folder, c):
    for name, s in c["sources"].items():
        at = os.path.join(folder, name)
        os.makedirs(at)
        for i, lines in enumerate(s["batches"]):
            path = os.path.join(at, "%03d.json" % i)
            with open(path, "w") as f:
                f.write("\n".join(lines) + "\n")
            os.utime(path, (START + i * 60, START + i * 60))
    for name, (_, rows) in c.get("tables", {}).items():
        os.makedirs(os.path.join(folder, name))
        with open(os.path.join(folder, name, "rows.json"), "w") as f:
            f.writelines(json.dumps(row) + "\n" for row in rows)


class Hook:
    """A webhook that keeps the rows of each batch."""

    def __init__(self):
        self.batches = {}
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                rows = hook.batches.setdefault(int(self.headers["Weir-Batch"]), [])
                rows += [json.loads(line) for line in body.splitlines()]
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]


def fields(ddl):
    """The fields of a schema in Spark's DDL, commas inside <…> and (…) left alone."""
    depth, part = 0, ""
    for ch in ddl + ",":
        if ch in "<(":
            depth += 1
        elif ch in ">)":
            depth -= 1
        if ch == "," and depth == 0:
            name, kind = part.strip().split(" ", 1)
            yield name, kind.lower()
            part = ""
        else:
            part += ch


def pipeline(folder, c, hook):
    sources = {}
    for name, s in c["sources"].items():
        spec = {
            "stream": "file://" + os.path.join(folder, name), "max_files_per_trigger": 1, "mode": "permissive",
            "schema": dict(fields(s["schema"])),
        }
        if s["watermark"]:
            spec["watermark"] = {"column": s["watermark"][0], "delay": s["watermark"][1]}
        if s.get("query"):
            spec["query"] = s["query"]
        if s.get("deduplicate"):
            spec["deduplicate"] = s["deduplicate"]
        sources[name] = spec
    text = {
        "name": c["name"], "sources": sources, "query": c["sql"], "output_mode": c["mode"], "sinks": [{"webhook": hook.url}],
        "trigger": "available-now", "dead_letters": "s3://lake/_dead/" + c["name"],
    }
    path = os.path.join(folder, "pipeline.yaml")
    with open(path, "w") as f:
        json.dump(text, f, indent=1)  # JSON is YAML
    return path


def make_tables(weir, cases):
    """The tables of the cases, as folders of JSON in the catalog of the weir at AWS_ENDPOINT_URL."""
    made = {name: table for c in cases for name, table in c.get("tables", {}).items()}
    statements = ["CREATE DATABASE IF NOT EXISTS lake"] if made else []
    for name, (schema, rows) in made.items():
        body = "".join(json.dumps(row) + "\n" for row in rows).encode()
        url = "%s/lake/_tables/%s/rows.json" % (os.environ["AWS_ENDPOINT_URL"], name)
        urllib.request.urlopen(urllib.request.Request(url, data=body, method="PUT")).close()
        statements.append("CREATE EXTERNAL TABLE %s (%s) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' LOCATION 's3://lake/_tables/%s/'" % (name, schema, name))
    for text in statements:
        subprocess.run([weir, "sql", text], check=True, stdout=subprocess.DEVNULL, timeout=60)


def run_weir(weir, folder, c, hook):
    hook.batches = {}
    cmd = [weir, "run", pipeline(folder, c, hook), "--keep", os.path.join(folder, "progress")]
    done = subprocess.run(cmd, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        return {"error": done.stderr.strip().split("\n")[-1]}
    return {"batches": [hook.batches[n] for n in sorted(hook.batches)]}


def normal(v):
    """A value without what differs in writing only: digits of doubles, fractions of seconds that are zero, nulls."""
    if isinstance(v, dict):
        return {k: normal(x) for k, x in v.items() if x is not None}
    if isinstance(v, list):
        return [normal(x) for x in v]
    if isinstance(v, bool) or v is None:
        return v
    if isinstance(v, (int, float)):
        return float("%.8g" % v)
    if isinstance(v, str) and v.endswith("Z"):
        return v.replace(".000Z", "Z")
    return v


def rows(result):
    """The rows of each batch that has any, in an order of their own."""
    out = []
    for batch in result["batches"]:
        if batch:
            out.append(sorted(json.dumps(normal(r), sort_keys=True) for r in batch))
    return out


def judge(c, spark, weir):
    if "error" in spark or "error" in weir:
        if "error" in spark and "error" in weir:
            return "refused by both: " + weir["error"].split(": ", 1)[-1] if c["refused"] else "BOTH FAIL: spark: %s; weir: %s" % (spark["error"], weir["error"])
        return "DIFFERENT: " + ("Spark refuses: " + spark["error"].split("\n")[0] if "error" in spark else "weir refuses: " + weir["error"])
    if c["refused"]:
        return "DIFFERENT: neither refuses it"
    a, b = rows(spark), rows(weir)
    if a == b:
        return "the same: %d rows in %d batches" % (sum(map(len, a)), len(a))
    if sorted(sum(a, [])) == sorted(sum(b, [])):
        return "DIFFERENT: the same %d rows, in other batches (%s, weir %s)" % (len(sum(a, [])), [len(x) for x in a], [len(x) for x in b])
    only_a, only_b = sorted(set(sum(a, [])) - set(sum(b, []))), sorted(set(sum(b, [])) - set(sum(a, [])))
    return "DIFFERENT: %d and %d rows; only Spark: %s; only weir: %s" % (len(sum(a, [])), len(sum(b, [])), only_a[:2], only_b[:2])


def texts(c):
    """The query of a case for the page, and those of its sources."""
    return "".join(["`%s`" % c["sql"]] + [" of %s: `%s`" % (name, s["query"]) for name, s in c["sources"].items() if s.get("query")])


def main():
    args = sys.argv[1:]
    page = None
    if "--page" in args:
        i = args.index("--page")
        page = args[i + 1]
        del args[i : i + 2]
    work, weir, spark_python, names = args[0], args[1], args[2], args[3:]
    unknown = set(names) - {c["name"] for c in CASES}
    if unknown:
        sys.exit("no case %s" % ", ".join(unknown))
    chosen = [c for c in CASES if not names or c["name"] in names]
    hook = Hook()
    make_tables(weir, chosen)
    for c in chosen:
        shutil.rmtree(os.path.join(work, c["name"]), ignore_errors=True)
        lay_out(os.path.join(work, c["name"]), c)
    subprocess.run([spark_python, os.path.join(os.path.dirname(__file__), "spark_side.py"), work] + names, check=True, stdout=subprocess.DEVNULL)
    bad, lines = 0, []
    for c in chosen:
        with open(os.path.join(work, c["name"], "spark.json")) as f:
            spark = json.load(f)
        said = judge(c, spark, run_weir(weir, os.path.join(work, c["name"]), c, hook))
        if not said.startswith(("the same", "refused by both")):
            reason = DIFFERENCES.get(c["name"])
            if reason:
                said = "differs: " + reason
            else:
                bad += 1
        print("%-36s %s" % (c["name"], said), flush=True)
        lines.append("| %s | %s | %s | %s |" % (c["name"], c["mode"], texts(c).replace("|", "\\|"), said.replace("|", "\\|")))
    if page:
        with open(page, "w") as f:
            f.write(PAGE % "\n".join(lines))
    print("%d cases, %d unexplained differences" % (len(chosen), bad))
    sys.exit(1 if bad else 0)


PAGE = """# Queries compared with Spark

What `make parity` found: each query ran with Spark Structured Streaming 3.5 and with weir over the same files, one file a micro-batch, and the rows
of every micro-batch were compared. Written by `test/interop/parity.sh --page docs/spark-parity.md`.

| query | mode | text | outcome |
|---|---|---|---|
%s
"""

if __name__ == "__main__":
    main()
