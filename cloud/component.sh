#!/usr/bin/env bash
# The steps of the Greengrass component, in the order in which a core takes them. It lies in the
# artifact, beside the folder of wheels; WORK is the component's own folder on the core.
#   component.sh made-for PYTHON       print the Python and the processor that wheels are for
#   component.sh install WORK PYTHON   make a virtual environment of the wheels, without a network
#   component.sh run WORK              run the appliance and the link until one of them ends
#   component.sh shutdown WORK         ask both to end, and wait until they have
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
step=$1 work=$2 python=${3:-}
program=$work/venv/bin/visual-search

made_for() {
  "$1" -I -c 'import platform
print("Python", ".".join(platform.python_version_tuple()[:2]), "on", platform.machine())'
}

case $step in
  made-for)
    made_for "$2"
    ;;
  install)
    found=$(made_for "$python")
    if [ "$found" != "$(cat "$here/made-for")" ]; then
      echo "error: this artifact is for $(cat "$here/made-for"), and $python is $found;" \
        "make the artifact with that, or name another Python in the component's configuration" >&2
      exit 1
    fi
    rm -rf "$work/venv"
    streams=$(compgen -G "$here/wheels/av-*.whl" >/dev/null && echo ,streams || true)
    "$python" -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-index \
      --find-links "$here/wheels" "$(echo "$here"/wheels/visual_search-*.whl)[onnxruntime,greengrass,s3$streams]"
    "$program" --version
    ;;
  run)
    exec 9>"$work/running" # held by this process and both programs, until the last has ended
    flock --nonblock 9 || { echo "error: it runs already" >&2; exit 1; }
    trap 'trap - TERM INT; kill -TERM $(jobs -p) 2>/dev/null || true; wait; exit 0' TERM INT
    echo $$ >"$work/pid"
    "$program" edge run &
    "$program" sync run &
    status=0
    wait -n || status=$?
    echo "error: one of both has ended, with status $status; the core starts both again" >&2
    kill -TERM $(jobs -p) 2>/dev/null || true
    wait
    exit 1
    ;;
  shutdown)
    flock --nonblock "$work/running" true && exit 0 # it does not run
    kill -TERM "$(cat "$work/pid")" 2>/dev/null || true
    flock "$work/running" true
    ;;
  *)
    echo "usage: component.sh made-for PYTHON | install WORK PYTHON | run WORK | shutdown WORK" >&2
    exit 2
    ;;
esac
