#!/usr/bin/env bash
# Sets the version at which the modules of this repository require one another,
# checks the result, and prints the commands that tag all of them. It never
# commits, tags or pushes. See RELEASE.md.
#
#   scripts/release.sh v0.2.0           dry run: works on a copy, shows the changes
#   scripts/release.sh --write v0.2.0   changes the go.mod files in place
#
# Running it again with the same version changes nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C GOWORK=off

core=github.com/seawall-go/seawall

fail() {
	printf 'release: %s\n' "$@" >&2
	exit 1
}

usage='usage: scripts/release.sh [--write] v0.N.P[-rc.N]'
write=false
if [[ ${1-} == --write ]]; then
	write=true
	shift
fi
(($# == 1)) || fail "$usage"
version=$1
[[ $version =~ ^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z]+(\.[0-9A-Za-z]+)*)?$ ]] || fail "$version is no version" "$usage"
[[ $version == v0.* ]] || fail "v0 only, until the API has lived through an outside review (got $version)"

modules() { find . -name go.mod -not -path '*/testdata/*' -exec dirname {} \; | sed 's|^\./||' | sort; }

# tag_of names a module's tag: v0.2.0 for the core, adapters/x/v0.2.0 below it.
tag_of() {
	if [[ $1 == . ]]; then echo "$version"; else echo "$1/$version"; fi
}

# A version that somebody may have downloaded never changes.
if tags=$(git tag --list 2>/dev/null); then
	for dir in $(modules); do
		tag=$(tag_of "$dir")
		! grep -qxF "$tag" <<<"$tags" || fail "the tag $tag exists: take the next version"
	done
fi

if ! $write; then
	copy=$(mktemp -d)
	trap 'rm -rf "$copy"' EXIT
	git ls-files -z --cached --others --exclude-standard |
		while IFS= read -r -d '' file; do
			[[ ! -f $file ]] || printf '%s\0' "$file"
		done | tar --null -cf - -T - | tar -xf - -C "$copy"
	original=$PWD
	cd "$copy"
fi

[[ -z $(go mod edit -json | sed -n '/"Replace": \[/p') ]] ||
	fail "the core has a replace line: nobody could install its commands"

for dir in $(modules); do
	[[ $dir != . ]] || continue
	for path in $(cd "$dir" && go mod edit -print | grep -oE "$core(/[^ ]+)? v[^ ]+" | cut -d ' ' -f 1); do
		(cd "$dir" && go mod edit -require="$path@$version")
	done
done

for dir in $(modules); do
	echo "checking $dir"
	(cd "$dir" && go mod tidy -diff && go vet ./...)
done
(cd test && go test -count=1 -run 'TestModules|TestConsumerSums' ./house)

if $write; then
	echo "go.mod files are set to $version"
else
	echo "what --write would change:"
	for dir in $(modules); do
		diff -u --label "a/$dir/go.mod" --label "b/$dir/go.mod" "$original/$dir/go.mod" "$dir/go.mod" || (($? == 1))
	done
fi

if ! grep -qE "^## \[${version#v}\] - [0-9]{4}-[0-9]{2}-[0-9]{2}$" CHANGELOG.md; then
	echo "CHANGELOG.md has no section \"## [${version#v}] - <date>\": write it before you tag"
fi

echo "to release, after the change is committed on main and CI has passed:"
tags=()
for dir in $(modules); do
	tags+=("$(tag_of "$dir")")
	echo "  git tag -a $(tag_of "$dir") -m 'seawall $version'"
done
echo "  git push --atomic origin main ${tags[*]}"
