#!/bin/sh
# Runs conf/demo.json in the foreground, and shows what it does.
#
#   cmake/demo.sh BIN_DIR STATE_DIR
#
# The node replaces this script, so that ^C reaches it once and it shuts down
# in order; what is printed comes from a small helper beside it.
set -eu

bin=$1
state=$2
cd "$(dirname "$0")/.."
mkdir -p "$state"
chmod 700 "$state"

show() {
  tries=0
  until [ "$(cat "$state/node.pid" 2>/dev/null)" = "$1" ] &&
        "$bin/pmctl" --state-dir "$state" list -q >/dev/null 2>&1; do
    kill -0 "$1" 2>/dev/null || exit 0
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || exit 0
    sleep 0.1
  done
  sleep 1.5 # the crasher has crashed by then
  kill -0 "$1" 2>/dev/null || exit 0
  echo
  "$bin/pmctl" --state-dir "$state" list || true
  cat <<TEXT

The demo runs (conf/demo.json); its web page is http://127.0.0.1:8640

Try in another terminal, in this directory:

  export PM_STATE_DIR=$PWD/$state PATH=$PWD/$bin:\$PATH
  pmctl list
  pmctl logs -f
  pmctl status web
  pmctl restart web
  pmctl stop 'worker*'
  pmctl --help

^C here ends it all, in order.

TEXT
}

# As root the node refuses a config that others can write, and in a checkout of
# somebody else's that is so: then it gets a copy.
config=conf/demo.json
if [ "$(id -u)" = 0 ] &&
   [ -n "$(find conf -maxdepth 0 ! -user 0 -o -perm /022)$(
           find $config ! -user 0 -o -perm /022)" ]; then
  rm -rf "$state-conf"
  install -d -m 700 "$state-conf"
  install -m 600 $config "$state-conf/demo.json"
  config=$state-conf/demo.json
fi

show $$ &
exec "$bin/pm-node" --config "$config" --state-dir "$state"
