#!/bin/sh
# Runs suites, compares with the baseline, lets the serving process obey the verdict, and deletes old runs.
#
#   nightly.sh SUITE... [options of `surefoot eval run`]
#
# NIGHTLY_TENANT  the tenant whose serving process obeys the verdict; without it the run is only reported
# NIGHTLY_KEEP    how many runs stay; 30 unless it is set
#
# Everything else is settings: surefoot.toml in the working folder, or SUREFOOT_DATA_DIR and the like in the environment.
# Exit code: 0 when nothing is blocked, 1 when a blocking gate failed, else that of the command that could not do its work.
set -eu

if [ "$#" -eq 0 ]; then
  echo "usage: nightly.sh SUITE... [options of surefoot eval run]" >&2
  exit 2
fi

pinned=$(surefoot eval baseline --json)
case $pinned in
  *null*) has_baseline=no ;;
  *) has_baseline=yes ;;
esac

if [ "$has_baseline" = yes ]; then
  set -- "$@" --against baseline
fi
if [ -n "${NIGHTLY_TENANT:-}" ]; then
  set -- "$@" --store-verdict "$NIGHTLY_TENANT"
fi

code=0
surefoot eval run "$@" || code=$?
if [ "$code" -gt 1 ]; then
  exit "$code"
fi

# The first run on which nothing is blocked is the first baseline; a later one is pinned by a person.
if [ "$code" -eq 0 ] && [ "$has_baseline" = no ]; then
  surefoot eval baseline latest
fi

surefoot eval prune --yes --keep "${NIGHTLY_KEEP:-30}"
exit "$code"
