#!/bin/busybox sh
# What gpio.sh tries, inside the virtual machine: prints one line a promise and, at the end, `done`.
# It takes the machine over and ends it: never on one that is anybody's.
[ $$ = 1 ] || exit 1
/bin/busybox --install -s /bin
echo
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
insmod /configfs.ko
insmod /gpio-sim.ko
mkdir -p /sys/kernel/config
mount -t configfs config /sys/kernel/config

# A chip of six lines: LASER, two of one name, one that the kernel keeps, one that the board pulls up.
chip=/sys/kernel/config/gpio-sim/try
mkdir -p $chip/bank
echo 6 >$chip/bank/num_lines
for line in 1:LASER 2:FAN 3:FAN 4:KEPT 5:PULLED; do
    mkdir $chip/bank/line${line%%:*}
    echo "${line##*:}" >$chip/bank/line${line%%:*}/name
done
mkdir $chip/bank/line4/hog
echo watchdog-led >$chip/bank/line4/hog/name
echo output-low >$chip/bank/line4/hog/direction
echo 1 >$chip/live
lines=/sys/devices/platform/$(cat $chip/dev_name)/$(cat $chip/bank/chip_name)
echo pull-up >$lines/sim_gpio5/pull
chmod 660 /dev/gpiochip0
chown 0:997 /dev/gpiochip0
printf 'root:x:0:0::/:/bin/sh\nmouse:x:1000:1000::/:/bin/sh\n' >/etc/passwd
printf 'root:x:0:\ngpio:x:997:\nmouse:x:1000:\n' >/etc/group

# config LINE PULSE_MS [KEYS]: the configuration of an arena.
config() {
    cat >/tmp/a1.toml <<TOML
arena = "a1"
[camera]
url = "rtsp://camera/"
[[zone]]
name = "Z"
corners_px = [[0, 0], [10, 0], [10, 10], [0, 10]]
[[rule]]
name = "reward"
keypoint = "nose"
zone = "Z"
pulse_ms = $2
rest_ms = 10000
[gpio]
chip = "${CHIP:-/dev/gpiochip0}"
line = $1
longest_pulse_ms = 10000
$3
TOML
}
level() { cat "$lines/sim_gpio$1/value"; }

# expect NAME WANTED GOT
expect() {
    if [ "$2" = "$3" ]; then echo "ok      $1"; else echo "FAILED  $1: got '$3', wanted '$2'"; fi
}

# reaches LINE LEVEL: the level once it is so, or the last after ten seconds.
reaches() {
    n=0
    while [ "$(level "$1")" != "$2" ] && [ $n -lt 200 ]; do
        usleep 50000
        n=$((n + 1))
    done
    level "$1"
}
says() { pin /tmp/a1.toml open 2>&1; }
alive() { kill -0 "$1" 2>/dev/null && echo alive || echo gone; }

config '"LASER"' 1000
expect "a line is found by its name" "held: line 1 (LASER) of gpiochip0 [gpio-sim.0:node0]" "$(says)"
config 1 1000
expect "and by its number" "held: line 1 (LASER) of gpiochip0 [gpio-sim.0:node0]" "$(says)"
expect "an ordinary user is told the group" "gpio: chip /dev/gpiochip0: permission denied; the group gpio may open it; usermod -aG \
gpio USER and log in anew, or use the service, which is in the group gpio" "$(su mouse -c 'pin /tmp/a1.toml open')"
CHIP=/dev/gpiochip7 config 1 1000
expect "a chip that is not there" "gpio: chip /dev/gpiochip7 is not there; there: /dev/gpiochip0; correct gpio.chip (gpiodetect tells \
the chips apart)" "$(says)"
config '"KEPT"' 1000
expect "a line that the kernel keeps" "gpio: line 4 (KEPT) of gpiochip0 [gpio-sim.0:node0] is in use by \"watchdog-led\"; a line has one \
holder at a time; stop that program or choose another line" "$(says)"
config '"FAN"' 1000
expect "a name that two lines have" "gpio: line \"FAN\" of gpiochip0 [gpio-sim.0:node0] stands for 2 lines; allowed: a name that one line \
has; give its number" "$(says)"

config '"LASER"' 1000
pin /tmp/a1.toml stall >/tmp/said 2>&1 &
program=$!
expect "a rule makes the line active" 1 "$(reaches 1 1)"
began=$(cut -d' ' -f1 /proc/uptime)
expect "the pulse ends while the deciding thread stands still" "0 alive" "$(reaches 1 0) $(alive $program)"
echo "note    a pulse of 1 s lasted from $began to $(cut -d' ' -f1 /proc/uptime) s by the guest's clock; $(grep begun /tmp/said)"
expect "another program is told who holds the line" "gpio: line 1 (LASER) of gpiochip0 [gpio-sim.0:node0] is in use by \"arenad a1\"; a \
line has one holder at a time; stop that program or choose another line" "$(says)"
kill -9 $program
wait $program 2>/dev/null
expect "after SIGKILL the line is free" "held: line 1 (LASER) of gpiochip0 [gpio-sim.0:node0]" "$(says)"

config '"LASER"' 10000
pin /tmp/a1.toml stall >/tmp/said 2>&1 &
program=$!
expect "a long pulse" 1 "$(reaches 1 1)"
kill -9 $program
wait $program 2>/dev/null
expect "SIGKILL in a pulse: the kernel takes the line back" 0 "$(reaches 1 0)"
pin /tmp/a1.toml panic >/tmp/said 2>&1 &
program=$!
n=0
until grep -q panicked /tmp/said || [ $n = 200 ]; do
    usleep 50000
    n=$((n + 1))
done
expect "a panic in a pulse ends it" "0 alive" "$(level 1) $(alive $program)"
kill -9 $program
wait $program 2>/dev/null
pin /tmp/a1.toml exit >/tmp/said 2>&1
expect "an exit in a pulse ends it" 0 "$(level 1)"

config '"PULLED"' 10000
expect "before: the board's pull decides" 1 "$(level 5)"
pin /tmp/a1.toml rest >/tmp/said 2>&1 &
program=$!
expect "a held line is inactive against the pull" 0 "$(reaches 5 0)"
kill -9 $program
wait $program 2>/dev/null
expect "after SIGKILL the board's pull decides" 1 "$(reaches 5 1)"

config '"LASER"' 1000 'active_low = true'
pin /tmp/a1.toml rest >/tmp/said 2>&1 &
program=$!
expect "an active-low line rests high" 1 "$(reaches 1 1)"
kill -9 $program
wait $program 2>/dev/null
echo "done"
poweroff -f
