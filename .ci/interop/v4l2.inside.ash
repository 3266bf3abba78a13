#!/bin/busybox sh
# What v4l2.sh tries, inside the virtual machine: each try's output between `begin NAME` and `end NAME CODE`; v4l2.check.py judges.
# It takes the machine over and ends it: never on one that is anybody's.
[ $$ = 1 ] || exit 1
/bin/busybox --install -s /bin
echo
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
while read -r module; do
    case $module in
    vivid.ko) insmod "/modules/$module" n_devs=1 node_types=0x1 ;;
    v4l2loopback.ko) insmod "/modules/$module" video_nr=9 card_label=Loop ;;
    *) insmod "/modules/$module" ;;
    esac || echo "note    insmod $module failed"
done </modules/list
ln -s video0 /dev/link-to-camera
printf 'root:x:0:0::/:/bin/sh\nmouse:x:1000:1000::/:/bin/sh\n' >/etc/passwd
printf 'root:x:0:\nvideo:x:44:\n' >/etc/group
echo "note    kernel $(uname -r), cameras:" /dev/video*
# The test picture without its running clock; stamps at the start of a frame, since vivid makes those of its end before that has come.
prepare() { v4l2-ctl -d /dev/video0 -c osd_text_mode=2,timestamp_source=1; }
prepare

# config KEYS: the configuration of an arena with this camera.
config() { printf 'arena = "a1"\n[camera]\n%s\n[model]\nfolder = "/model"\nengine = "built-in"\nthreads = 1\n' "$1" >/tmp/a1.toml; }

# try NAME KEYS OPTIONS: what the camera gives.
try() {
    config "$2"
    echo "begin $1"
    su "${AS:-root}" -c "probe --config /tmp/a1.toml ${3:---seconds 2}"
    echo "end $1 $?"
}

# meanwhile NAME KEYS SECONDS COMMAND: the same with a command a little later.
meanwhile() {
    (
        sleep 1.5
        eval "$4"
    ) >/dev/null 2>&1 &
    try "$1" "$2" "--seconds $3"
    wait
}

camera='device = "/dev/video0"'
for pixels in yuyv nv12 grey; do
    try $pixels "$camera
pixels = \"$pixels\"
size_px = [640, 360]
rate_hz = 25" "--units 20 --seconds 20 --columns 8"
done
try link 'device = "/dev/link-to-camera"' "--units 12 --seconds 20 --columns 8"
try ten "$camera
rate_hz = 10" "--units 12 --seconds 20"
try gain "$camera
size_px = [320, 180]
gain = 77" "--units 3 --seconds 20"

try size "$camera
size_px = [642, 480]"
try rate "$camera
rate_hz = 33"
try mjpeg "$camera
pixels = \"mjpeg\""
try exposure "$camera
exposure_us = 5000"
try gain-range "$camera
gain = 1000"
try absent 'device = "/dev/video7"'
try not-a-camera 'device = "/dev/null"'
chmod 660 /dev/video0
AS=mouse try forbidden "$camera" "--seconds 3"
AS=

small="$camera
size_px = [320, 180]
rate_hz = 25"
config "$small"
probe --config /tmp/a1.toml --seconds 4 >/dev/null &
sleep 1
try busy "$small"
wait
meanwhile unplug "$small" 5 'v4l2-ctl -d /dev/video0 -c disconnect=1'
meanwhile replug "$small" 9 'echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind; sleep 2; echo vivid.0 >/sys/bus/platform/drivers/vivid/bind'
prepare
meanwhile fatal "$small" 5 'v4l2-ctl -d /dev/video0 -c inject_fatal_streaming_error=1'
meanwhile damaged "$small" 5 'for n in 1 2 3; do v4l2-ctl -d /dev/video0 -c inject_v4l2_buf_flag_error=1; sleep 0.3; done'
meanwhile dropped "$small" 6 'v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=30; sleep 3; v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=0'

if [ -e /dev/video9 ]; then
    echo "begin picture"
    probe /picture.jpg --columns 8
    echo "end picture $?"
    set -- $(cat /picture.size)
    try unfed 'device = "/dev/video9"'
    v4l2-ctl -d /dev/video9 -c keep_format=1
    v4l2-ctl -d /dev/video9 --set-fmt-video-out=width="$1",height="$2",pixelformat=MJPG >/dev/null
    # A reader that comes may make one write fail; the next is taken.
    while :; do
        cat /picture.jpg
        usleep 40000
    done >/dev/video9 2>/dev/null &
    feeder=$!
    sleep 1
    try jpeg "device = \"/dev/video9\"
size_px = [$1, $2]" "--units 10 --seconds 20 --columns 8"
    kill $feeder
fi

config "$camera"
echo "begin check"
arenad check --seconds 60 /tmp/a1.toml
echo "end check $?"
config "$small"
echo "begin run"
arenad run /tmp/a1.toml >/tmp/run 2>&1 &
daemon=$!
# said WORDS COUNT: waits until the daemon has said the words so often.
said() {
    n=0
    until [ "$(grep -c "$1" /tmp/run)" -ge "$2" ] || [ $n = 200 ]; do
        usleep 100000
        n=$((n + 1))
    done
}
said "first scene" 1
v4l2-ctl -d /dev/video0 -c disconnect=1
said "camera is live" 2
kill $daemon
wait $daemon
code=$?
cat /tmp/run
echo "end run $code"
echo "done"
poweroff -f
