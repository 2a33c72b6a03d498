#!/bin/sh
# Include direction between rooms: prints every include that goes the wrong
# way and fails if there is one. Usage: layers.sh ROOM...
set -eu
awk '
BEGIN {
	P = "common/pure"; C = "common " P
	may["common/pure"] = P
	may["common"] = C
	may["placement"] = "placement " P
	may["placement/io"] = "placement placement/io " C
	may["lifecycle"] = "lifecycle " P
	may["drivers"] = "drivers " C
	may["coordinator"] = "coordinator lifecycle placement placement/io drivers " C
	may["agent"] = "agent " C
	may["twin"] = "twin " C
	may["cli"] = "cli lifecycle placement placement/io drivers " C
}
function room(p) {
	if (p ~ /^common\/pure\//) return "common/pure"
	if (p ~ /^placement\/io\//) return "placement/io"
	sub(/\/.*/, "", p)
	return p
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
	s = $0; sub(/^[^"]*"/, "", s); sub(/".*/, "", s)
	f = room(FILENAME); t = room(s)
	# files made at build time from texts of the same room
	if (s ~ /\.(sql|sh|html|yaml|css|js)\.h$/) next
	if (index(" " may[f] " ", " " t " ") == 0) {
		printf "%s:%d: %s may not include %s\n", FILENAME, FNR, f, s
		bad = 1
	}
}
END { exit bad }' $(find "$@" -name '*.[ch]')
