#!/bin/sh
# Rules of the style guide that a pattern can check, in the given rooms: no
# shell, no unbounded copies, no lax number parsers; files of at most 700
# lines, functions of at most 60 (between their braces). Prints each breach as
# file:line: what, and fails if there was one.
# Usage: gates.sh ROOM...
set -u
files=$(find "$@" -name '*.[ch]' | LC_ALL=C sort)
[ -n "$files" ] || { echo "gates: no files" >&2; exit 2; }

# shellcheck disable=SC2086 # names of files have no spaces
LC_ALL=C awk '
function breach(line, what) {
	printf "%s:%d: %s\n", FILENAME, line, what
	bad++
}
# The line without comments and, if strings is true, without string texts.
# Comments are found before strings, which is enough for this code.
function code(s, strings,    i, c, out, quote) {
	out = ""
	quote = 0
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (comment) {
			if (substr(s, i, 2) == "*/") {
				comment = 0
				i++
			}
			continue
		}
		if (quote) {
			if (!strings)
				out = out c
			if (c == "\\") {
				i++
				if (!strings)
					out = out substr(s, i, 1)
			} else if (c == "\"") {
				quote = 0
				if (strings)
					out = out c
			}
			continue
		}
		if (substr(s, i, 2) == "/*") {
			comment = 1
			i++
			continue
		}
		if (substr(s, i, 2) == "//")
			break
		if (c == "\"" && substr(s, i - 1, 1) != "\047")
			quote = 1
		out = out c
	}
	return out
}
FNR == 1 {
	if (NR > 1 && lines > 700)
		breach_file(last, lines)
	comment = 0
	open = 0
	last = FILENAME
}
function breach_file(name, n) {
	printf "%s:%d: file has %d lines, more than 700\n", name, n, n
	bad++
}
{
	lines = FNR
	was = comment
	plain = code($0, 1)
	comment = was
	text = code($0, 0)
	if (match(plain, /(^|[^A-Za-z0-9_])(system|popen|strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof)[ \t]*\(/)) {
		word = substr(plain, RSTART, RLENGTH)
		gsub(/[^a-z]/, "", word)
		breach(FNR, word "() is not used here")
	}
	gsub(/#!\/bin\/sh/, "", text) # the text of a script is not a call
	if (text ~ /"[^"]*(\/bin\/sh|bash -c)/)
		breach(FNR, "a shell in product code")
	if ($0 == "{")
		open = FNR
	else if ($0 ~ /^}/ && open) {
		if (FNR - open - 1 > 60)
			breach(open, "function has " FNR - open - 1 \
			    " lines, more than 60")
		open = 0
	}
}
END {
	if (lines > 700)
		breach_file(last, lines)
	exit bad > 0
}' $files && echo "gates: ok"
