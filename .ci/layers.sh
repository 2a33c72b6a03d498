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
	# Its rooms meet in coord.h. Link and measure know each other: one hands
	# over what agents say, the other asks them. Only api and the front know
	# of all; rows of the store have the types of those who keep them.
	R = "coordinator lifecycle placement placement/io drivers " C
	D = "coordinator/"
	may["coordinator/cloud"] = D "cloud " D "store " R
	may["coordinator/link"] = D "link " D "measure " D "store " R
	may["coordinator/remote"] = D "remote " D "cloud " D "link " R
	may["coordinator/mcis"] = D "mcis " D "remote " D "cloud " D "link " D "store " R
	may["coordinator/place"] = D "place " D "measure " D "cloud " D "store " R
	may["coordinator/store"] = D "store " D "measure " D "place " D "cloud " R
	may["coordinator/keep"] = D "keep " D "api " D "cloud " D "store " R
	A = D "api " D "keep " D "mcis " D "remote " D "link " may["coordinator/place"]
	may["coordinator/measure"] = may["coordinator/api"] = may["coordinator"] = A
	H = "agent/host " C
	may["agent/host"] = H
	may["agent/probe"] = "agent/probe " H
	may["agent/bench"] = "agent/bench " H
	may["agent/link"] = "agent/link agent/bench agent/probe " H
	may["agent/facade"] = "agent/facade agent/bench agent/probe " H
	may["agent/static"] = C
	may["agent"] = "agent agent/link agent/facade agent/bench agent/probe " H
	may["twin"] = "twin " C
	may["cli"] = "cli lifecycle placement placement/io drivers " C
}
function room(p) {
	# A folder inside a room is a room where the table has it.
	if (match(p, /^[^\/]+\/[^\/]+\//) && substr(p, 1, RLENGTH - 1) in may)
		return substr(p, 1, RLENGTH - 1)
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
