#!/bin/sh
# Prints a C header with the text of a file as one string constant.
set -eu
name=$(basename "$1" | tr -c 'A-Za-z0-9\n' '_')
printf '/* made from %s */\nstatic const char %s[] =\n' "$1" "$name"
sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/\t/\\t/g' -e 's/^/\t"/' -e 's/$/\\n"/' "$1"
printf '\t"";\n'
