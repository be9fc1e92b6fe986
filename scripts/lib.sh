# shellcheck shell=bash
# Shared by the scripts here: names of things in the cache and messages.
# Sourced, after "set -euo pipefail".

TREE=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/alcatraz

# What the make that called us passes on is not for the makes that we call.
unset MAKEFLAGS MFLAGS MAKELEVEL

die() { echo "${0##*/}: $*" >&2; exit 1; }

# cached PART: the directory of that part, whether it exists or not. Its name
# ends in a hash of the recipe, so that a changed recipe is built anew.
cached() {
	local recipe
	case $1 in
	6.1 | 6.12 | 7.2) recipe=(stock-kernel) ;;
	debug) recipe=(debug-kernel debug-kernel.config) ;;
	# The root holds the modules of the stock kernels.
	root) recipe=(guest-root stock-kernel) ;;
	demo) recipe=(demo-packages guest-root stock-kernel) ;;
	*) die "no such kernel or part: $1" ;;
	esac
	echo "$CACHE/$1-$(cd "$TREE/scripts" && cat "${recipe[@]}" | sha256sum | cut -c1-12)"
}

# kdir 6.1|6.12|7.2|debug: the header tree to build modules against.
kdir() { echo "$(cached "$1")/build"; }
