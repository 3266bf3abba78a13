# What package.sh tries, inside the booted system: prints one line a promise and, at the end, `done`.
cd /try
export DEBIAN_FRONTEND=noninteractive

expect() {
    if [ "$2" = "$3" ]; then
        echo "ok      $1"
    else
        echo "FAILED  $1: got '$3', wanted '$2'"
    fi
}

# until_is SECONDS WANTED COMMAND...: the command's words once they are the wanted ones, or the last.
until_is() {
    local end=$((SECONDS + $1 * ${PATIENCE:-1})) wanted=$2 got
    shift 2
    while got=$("$@" 2>/dev/null || true) && [ "$got" != "$wanted" ] && [ "$SECONDS" -lt "$end" ]; do
        sleep 0.1
    done
    echo "$got"
}

property() { systemctl show "arenad@$1" -p "$2" --value; }
journal() { journalctl --no-pager -o short-unix -u "arenad@$1"; }
# told ARENA WORDS: how often the journal has them.
told() { journal "$1" | grep -cF -- "$2"; }
main() { property "$1" MainPID; }
thread() { grep -lx "$2" "/proc/$(main "$1")"/task/*/comm | head -n 1 | cut -d/ -f5; }

# threads CLASS: name and priority of the threads of that scheduling class, those of one pool as one.
threads() { ps -L -o comm=,cls=,rtprio= -p "$(main demo)" | awk -v class="$1" '$2 == class { sub(/-[0-9]+$/, "", $1); print $1, $3 }' | sort -u | paste -sd ,; }

dpkg --install arenad_0.0.9-1.deb >/dev/null
expect "the package installs" "install ok installed" "$(dpkg-query -W -f '${Status}' arenad)"
expect "it has a user" "arenad" "$(id -un arenad)"
expect "configurations are not for everybody" "750 root arenad" "$(stat -c '%a %U %G' /etc/arenad)"
expect "the example is a conffile" 1 "$(dpkg-query -W -f '${Conffiles}' arenad | grep -c /etc/arenad/example.toml)"
echo "# a remark of the operator's" >>/etc/arenad/example.toml

./camera 0 600 digest >camera.log &
camera=$!
until_is 10 1 grep -c rtsp camera.log >/dev/null
url=$(head -n 1 camera.log)
cat >/etc/arenad/demo.toml <<TOML
arena = "demo"
[camera]
url = "$url"
user = "lab"
password_credential = "camera.password"
[model]
engine = "built-in"
threads = 1
[files]
folder = "/var/lib/arenad"
[web]
listen = "127.0.0.1:0"
[process]
realtime_priority = 10
TOML
# The tests' own haste; the packaged unit is otherwise as it is.
mkdir -p /etc/systemd/system/arenad@.service.d
printf '[Service]\nWatchdogSec=%s\nRestartSec=100ms\n' $((4 * ${PATIENCE:-1})) >/etc/systemd/system/arenad@.service.d/haste.conf
systemctl daemon-reload

systemctl start arenad@demo
expect "without its password the arena does not start" 2 "$(property demo ExecMainStatus)"
expect "and says which file is missing" 1 "$(told demo 'is empty; write the password alone into it')"
echo mice >/etc/arenad/demo.camera.password
chmod 600 /etc/arenad/demo.camera.password
systemctl reset-failed arenad@demo
began=$(date +%s%N)
systemctl start arenad@demo
expect "start returns when it is ready" "0 active" "$? $(property demo ActiveState)"
echo "note    ready after $((($(date +%s%N) - began) / 1000000)) ms"
expect "the first scene comes" 1 "$(until_is 30 1 told demo 'first scene')"
took=$(journal demo | awk '/Starting/ { from = $1 } /first scene/ && !to { to = $1 } END { printf "%.1f", to - from }')
expect "within $((5 * ${PATIENCE:-1})) s: $took s after the start" yes "$(awk -v took="$took" -v most=$((5 * ${PATIENCE:-1})) 'BEGIN { print took <= most ? "yes" : "no" }')"
expect "it runs as its user" arenad "$(ps -o user= -p "$(main demo)")"
expect "the status line tells of the camera" 1 "$(until_is 15 1 sh -c 'systemctl show arenad@demo -p StatusText --value | grep -c "^camera live; [1-9]"')"
# Some containers may not raise limits; there the daemon says so and runs on.
prlimit --rtprio=10:10 true 2>/dev/null ||
    expect "a priority that the system refuses is told" yes "$([ "$(told demo 'thread track: real-time priority 10: refused: ')" -gt 0 ] && echo yes)"

sed 's/^user.*//; s/^password.*//; s/:0"/:1"/' /etc/arenad/demo.toml >/try/second.toml
arenad run /try/second.toml >second.log 2>&1
expect "a second start of the arena is refused" "2 1" "$? $(grep -c 'arena demo: another arenad on this machine runs it already' second.log)"

kill "$camera"
expect "a camera that is away is told" 1 "$(until_is 20 1 sh -c 'systemctl show arenad@demo -p StatusText --value | grep -c "^camera away"')"
sleep $((9 * ${PATIENCE:-1}))
expect "and for two watchdog times no reason to restart" "active 0" "$(property demo ActiveState) $(property demo NRestarts)"
./camera "$(echo "$url" | sed 's|.*:\([0-9]*\)/.*|\1|')" 600 digest >camera.log &

# The kernel ends a traced thread only when strace lets go: well before the wait is over.
timeout $((15 * ${PATIENCE:-1})) strace -qq -p "$(thread demo track)" -e trace=futex -e inject=futex:delay_enter=60000000 >/dev/null 2>&1 &
expect "a tracking thread that hangs is restarted by the watchdog" 1 "$(until_is 40 1 property demo NRestarts)"
expect "and named" yes "$([ "$(told demo 'thread track: stands still')" -gt 0 ] && echo yes)"
expect "and comes back" active "$(until_is 20 active property demo ActiveState)"
kill -STOP "$(main demo)"
expect "a stopped process is restarted by the watchdog" 2 "$(until_is 25 2 property demo NRestarts)"
expect "and comes back" active "$(until_is 20 active property demo ActiveState)"
kill -KILL "$(main demo)"
expect "a killed process is restarted" 3 "$(until_is 20 3 property demo NRestarts)"
expect "and comes back" active "$(until_is 20 active property demo ActiveState)"

printf 'arena = "bad"\n[camera]\nurl = "http://10.0.0.20/"\n' >/etc/arenad/bad.toml
systemctl start arenad@bad
expect "a wrong configuration ends with 2 and is not tried again" "failed 2 0" "$(property bad ActiveState) $(property bad ExecMainStatus) $(property bad NRestarts)"
expect "and the journal says what is wrong" 1 "$(told bad 'camera.url: got "http://10.0.0.20/"; allowed: rtsp://host[:port]/path')"

rows() { find /var/lib/arenad/demo -type f | wc -l; }
expect "rows are written" yes "$([ "$(rows)" -gt 0 ] && echo yes)"
files=$(find /var/lib/arenad/demo -name '*.parquet' | sort)
old=$(main demo)
printf '[Service]\nCPUAffinity=0\n' >/etc/systemd/system/arenad@.service.d/core.conf
# Where the unit's limit cannot be raised, the right to be urgent itself; its filters stay as they are.
prlimit --rtprio=10:10 true 2>/dev/null || {
    echo "note    this container may not raise LimitRTPRIO: the capability is tried in its place"
    printf 'AmbientCapabilities=CAP_SYS_NICE\nCapabilityBoundingSet=CAP_SYS_NICE\n' >>/etc/systemd/system/arenad@.service.d/core.conf
}
dpkg --install arenad_0.1.0-1.deb >/dev/null
expect "the upgrade is in" 0.1.0-1 "$(dpkg-query -W -f '${Version}' arenad)"
expect "the arena goes on" active "$(until_is 20 active property demo ActiveState)"
expect "with the new program" no "$([ "$(main demo)" = "$old" ] && echo same || echo no)"
until_is 20 1 sh -c "systemctl show arenad@demo -p StatusText --value | grep -c '^camera live; [1-9]'" >/dev/null
expect "the threads between camera and pin and the engine's are urgent" "decode 10,pin 10,rten 10,source 10,track 10" "$(threads FF)"
expect "and no others" "arenad -,board -,files -,net -,signals -" "$(threads TS)"
expect "each keeps to the core that a drop-in names" 0 "$(sed -n 's/^Cpus_allowed_list:\s*//p' "/proc/$(main demo)"/task/*/status | sort -u | paste -sd ,)"
expect "configurations are as they were" "1 1" "$(grep -c 'a remark of the operator' /etc/arenad/example.toml) $(grep -c 'arena = "demo"' /etc/arenad/demo.toml)"
kept() { for file in $files; do [ -f "$file" ] || echo "lost $file"; done; }
expect "and so are recordings" "" "$(kept)"

dpkg --remove arenad >/dev/null 2>&1
expect "removal ends the arena" inactive "$(property demo ActiveState)"
expect "and takes the program away" no "$([ -e /usr/bin/arenad ] && echo yes || echo no)"
expect "and leaves configurations and recordings" "yes yes yes" "$([ -f /etc/arenad/demo.toml ] && echo yes) $([ -f /etc/arenad/example.toml ] && echo yes) $([ "$(rows)" -gt 0 ] && echo yes)"
dpkg --purge arenad >purge.log 2>&1
expect "a purge leaves recordings and the arenas' configurations, and says so" "yes yes no 1" "$([ "$(rows)" -gt 0 ] && echo yes) $([ -f /etc/arenad/demo.toml ] && echo yes) $([ -f /etc/arenad/example.toml ] && echo yes || echo no) $(grep -c 'recordings stay' purge.log)"
journal demo >journal
echo "done after $SECONDS s"
