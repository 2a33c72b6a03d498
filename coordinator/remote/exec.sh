# shellcheck shell=sh
# Runs one command; its length and text come on stdin. When the connection
# ends, so does the command with all its children. Travels between single
# quotes, as install.sh.
read -r size || exit 125
command=$(head -c "$size")
exec 3<&0
setsid sh -c "$command" </dev/null 3<&- &
pid=$!
{
	read -r _
	kill -s TERM -- "-$pid"
	sleep 2
	kill -s KILL -- "-$pid"
} <&3 >/dev/null 2>&1 &
guard=$!
wait "$pid"
code=$?
kill -s KILL "$guard"
exit "$code"
