#!/bin/sh
# Installs the Debian packages of packages.txt that are missing; says nothing
# when all are there.
#
#   cmake/setup.sh          what building, testing and running need
#   cmake/setup.sh --all    and what make fuzz, format and tidy need
set -eu

list="$(dirname "$0")/packages.txt"

case "${1-}" in
  --all) wanted=$(sed '/^#/d' "$list") ;;
  "") wanted=$(sed '/^# for make fuzz/,$d; /^#/d' "$list") ;;
  *) echo "usage: $0 [--all]" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is not a Debian system; install by its own means what" \
       "these are there:" $wanted >&2
  exit 0
fi

# shellcheck disable=SC2086 # the names are words
installed=$(dpkg-query -W -f '${Package} ${Status}\n' $wanted 2>/dev/null |
  sed -n 's/ install ok installed$//p') || true
missing=
for name in $wanted; do
  case "
$installed
" in
    *"
$name
"*) ;;
    *) missing="$missing $name" ;;
  esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
  as_root=env
elif sudo -n true 2>/dev/null; then
  as_root="sudo -n env"
else
  echo "pm needs Debian packages that are not installed. Please run:" >&2
  echo "  sudo apt-get update && sudo apt-get install -y$missing" >&2
  exit 1
fi

echo "setup: installing$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends $missing >/dev/null
