#!/usr/bin/env bash
# Tutorial A: a boto3 producer with pandas sends rides five at a time with put_record; weir run makes the Delta table;
# Athena through boto3, delta-rs and DuckDB read it and must agree with what was sent.
set -euo pipefail
rides=$ROOT/../shared/data/yellow_tripdata_2019_sample.csv.gz
if [ ! -f "$rides" ]; then
  echo "no real rides beside the checkout: using generated ones"
  "$WEIR" produce rides --amount 2000 --seed 1 --output "$WORK/rides.ndjson"
  rides=$WORK/rides.ndjson
fi
aws kinesis create-stream --stream-name input-stream --stream-mode-details StreamMode=ON_DEMAND
aws kinesis wait stream-exists --stream-name input-stream
aws s3 mb s3://lake
cat >"$WORK/aws.cfg" <<CFG
[AWS]
aws_access_key_id = $AWS_ACCESS_KEY_ID
aws_secret_access_key = $AWS_SECRET_ACCESS_KEY
region_name=us-east-1
CFG
python "$ROOT/test/interop/rides_tutorial.py" "$rides" 500 >"$WORK/produced.log"
"$WEIR" run "$ROOT/examples/rides/rides.yaml" --once >"$WORK/run.log" 2>&1
python "$ROOT/test/interop/rides_check.py" "$rides" 500

echo "the example's own producer"
file=()
case $rides in *.csv.gz) file=(--file "$rides") ;; esac
(cd "$WORK" && python "$ROOT/examples/rides/producer.py" "${file[@]}" --amount 15 --pause 0 >"$WORK/example.log")
"$WEIR" run "$ROOT/examples/rides/rides.yaml" --once >>"$WORK/run.log" 2>&1
python "$ROOT/test/interop/rides_check.py" "$rides" 515 --count-only
