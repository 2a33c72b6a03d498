#!/bin/sh
# Prints a C header with the text of a file as one string constant.
set -eu
name=$(basename "$1" | tr -c 'A-Za-z0-9\n' '_')
printf '/* made from %s */\n' "$1"
# C promises literals of 4095 bytes only; gcc and clang take any
printf '#pragma GCC diagnostic ignored "-Woverlength-strings"\n'
printf 'static const char %s[] =\n' "$name"
sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/\t/\\t/g' -e 's/^/\t"/' -e 's/$/\\n"/' "$1"
printf '\t"";\n'
