#!/bin/sh
# Prints docs/cli.md from the help texts of a built milkyway.
# Usage: gen-cli-doc.sh PROGRAM
set -eu
milkyway=$1

cat <<'EOF'
# Command line

Made from `milkyway help` and `milkyway COMMAND --help` by `make cli-doc`; do not
edit.

Data goes to standard output, progress and errors to standard error, so
`-o json` and `-o csv` can be piped. On a terminal tables fit its width and are
coloured (`NO_COLOR` turns that off). `-o json` prints the API's answer as it is.

EOF
echo '```'
"$milkyway" help | sed 's/ *$//'
echo '```'
# A command of the overview: two spaces, its name in a column of 20.
"$milkyway" help | sed -n '/^common options/q; s/^  \([a-z].\{19\}\) .*/\1/p' |
    sed 's/ *$//' | while read -r name; do
	printf '\n## milkyway %s\n\n```\n' "$name"
	# shellcheck disable=SC2086 # two words are two arguments
	"$milkyway" $name --help
	echo '```'
done
