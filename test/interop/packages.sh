# Sourced by the scripts of the Delta targets: ROOT is the checkout, packages FOLDER REQUIREMENTS makes a folder of Python packages
# unless it has them, and prints its Python. With an empty JAVA there need be none.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
for tool in go python3 ${JAVA-java}; do command -v $tool >/dev/null || { echo "delta: $tool is needed"; exit 1; }; done

packages() {
  local requirements=$ROOT/test/interop/$2
  [ -x "$1/bin/python" ] || python3 -m venv "$1" >&2
  if [ "$("$1/bin/pip" freeze 2>/dev/null | grep -Fxcf "$requirements")" != "$(grep -c . "$requirements")" ]; then
    "$1/bin/pip" install -q -r "$requirements" >&2
  fi
  echo "$1/bin/python"
}
