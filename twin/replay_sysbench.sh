# Stands for sysbench in a VM of a world whose bench is "replay": prints what
# sysbench 1.0.20 prints, with numbers of the world instead of measured ones.
# The lines above this text set one list of events per second for each kind
# that the world knows; call after call takes the next one.
set -u
test= cmd=run threads=1 seconds=10 oper=write mode=
for a in "$@"; do
	case $a in
	--version) echo "sysbench 1.0.20"; exit 0 ;;
	--threads=*) threads=${a#*=} ;;
	--time=*) seconds=${a#*=} ;;
	--memory-oper=*) oper=${a#*=} ;;
	--file-test-mode=*) mode=${a#*=} ;;
	run | prepare | cleanup | help) cmd=$a ;;
	-*) ;;
	*) test=$a ;;
	esac
done

case $test/$oper/$mode in
cpu/*) if [ "$threads" -le 1 ]; then kind=cpus; else kind=cpum; fi ;;
memory/read/*) kind=memR ;;
memory/*) kind=memW ;;
fileio/*/rndrd) kind=fioR ;;
fileio/*) kind=fioW ;;
oltp_read_only/*) kind=dbR ;;
*) kind=dbW ;;
esac
case $cmd in
help) echo "replay of $test"; exit 0 ;;
prepare | cleanup) exit 0 ;;
esac

eval "list=\${$kind-}"
if [ -z "$list" ]; then
	echo "FATAL: this world has no $kind to replay" >&2
	exit 1
fi
count=/var/tmp/.replay-$kind
n=$(cat "$count" 2>/dev/null || echo 0)
echo $((n + 1)) >"$count" 2>/dev/null
set -- $list
shift $((n % $#))
# thousandths of an event per second: the shell knows integers only
milli=$1
events=$((milli * seconds / 1000))

cat <<END
sysbench 1.0.20 (replay)

Running the test with following options:
Number of threads: $threads

END
case $kind in
cpus | cpum)
	printf 'CPU speed:\n    events per second: %5d.%02d\n' \
	    $((milli / 1000)) $((milli % 1000 / 10))
	;;
memR | memW)
	echo "$((events * 64)).00 MiB transferred ($((milli * 64 / 1000)).00 MiB/sec)"
	;;
fioR) echo "    read, MiB/s:                  $((milli / 256000)).00" ;;
fioW) echo "    written, MiB/s:               $((milli / 256000)).00" ;;
*) echo "    transactions:                        $events" ;;
esac
us=$((threads * 1000000000 / (milli + 1)))
avg=$(printf '%d.%02d' $((us / 1000)) $((us % 1000 / 10)))
cat <<END

General statistics:
    total time:                          $seconds.0000s
    total number of events:              $events

Latency (ms):
         min:                                   $avg
         avg:                                   $avg
         max:                                   $avg
END
