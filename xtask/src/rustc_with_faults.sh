#!/bin/sh
# Stands between Cargo and the compiler of our own crates (RUSTC_WORKSPACE_WRAPPER), so that a build
# with room for faults shares what it depends on with the plain one.
compiler=$1
shift
exec "$compiler" "$@" --cfg antiphon_plant --cfg antiphon_failpoints
