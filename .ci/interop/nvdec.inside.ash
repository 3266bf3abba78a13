#!/bin/busybox sh
# What nvdec.sh tries, inside the virtual machine: prints one line a promise and, at the end, `done`.
# It takes the machine over and ends it: never on one that is anybody's.
[ $$ = 1 ] || exit 1
/bin/busybox --install -s /bin
echo
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
cd /tmp || exit 1

# told WHAT: whether the last command held what WHAT promises.
told() {
    if [ $? = 0 ]; then echo "ok      $way: $1"; else
        echo "FAILED  $way: $1"
        sed 's/^/        /' /tmp/said | tail -n 8
        dmesg | tail -n 3 | sed 's/^/        /'
    fi
}

# node LIST: the vicodec device that lists FWHT on this side.
node() {
    for device in /dev/video*; do
        v4l2-ctl -d "$device" -D | grep -q 'Driver name *: vicodec' || continue
        v4l2-ctl -d "$device" "$1" | grep -q "'FWHT'" && echo "$device" && return
    done
}

# encode NAME WIDTH HEIGHT FRAMES: a film and what v4l2-ctl decodes of it.
encode() {
    m2m pattern "$1.yuv" "$2" "$3" "$4"
    v4l2-ctl -d "$encoder" --set-fmt-video-out=width="$2",height="$3",pixelformat=YU12 --set-selection-output target=crop,width="$2",height="$3" \
        --set-ctrl video_gop_size=5 --set-fmt-video=pixelformat=FWHT --stream-mmap --stream-out-mmap --stream-from="$1.yuv" \
        --stream-to="$1.fwht" >/dev/null 2>&1
    v4l2-ctl -d "$encoder" --set-fmt-video-out=width="$2",height="$3",pixelformat=YU12 --set-selection-output target=crop,width="$2",height="$3" \
        --set-ctrl video_gop_size=5 --set-fmt-video=pixelformat=FWHT --stream-mmap --stream-out-mmap --stream-from="$1.yuv" \
        --stream-to-hdr="$1.hdr" >/dev/null 2>&1
    v4l2-ctl -d "$decoder" --set-fmt-video-out=width="$2",height="$3",pixelformat=FWHT --set-fmt-video=pixelformat=NV12 --stream-mmap \
        --stream-out-mmap --stream-from-hdr="$1.hdr" --stream-to="$1.ref" >/dev/null 2>&1
}

# decode FILM [FAULT...]: ours, into /tmp/out and /tmp/said.
decode() {
    film=$1
    shift
    timeout 60 m2m decode "$decoder" "$film" out "$@" >said 2>&1
}

# part FILE FRAME_BYTES FIRST COUNT
part() {
    dd if="$1" bs="$2" skip="$3" count="$4" 2>/dev/null
}

# NVIDIA's way to the same decoder: its device file is /dev/null, a library has the calls. The libraries are stand-ins.
nvidia() {
    way="NVIDIA's way (stand-in)" real=$decoder decoder=/dev/v4l2-nvdec
    rm -f $decoder
    m2m probe $decoder >said 2>&1
    grep -q "nvdec: /dev/v4l2-nvdec: No such file or directory" said
    told "a missing device is named"
    mknod $decoder c 1 3
    m2m probe $decoder >said 2>&1
    grep -q "nvidia-l4t-multimedia" said
    told "a libv4l2 without NVIDIA's plugin is told with the package that has it"
    export STAND_IN_DECODER="$real" LD_LIBRARY_PATH=/nv-half
    m2m probe $decoder >said 2>&1
    grep -q "NVIDIA's libraries for pictures cannot be used: libnvbufsurface.so.*install nvidia-l4t-multimedia" said
    told "a missing library for pictures is named with its package"
    export LD_LIBRARY_PATH=/nv
    decode large.fwht && cmp out large.ref >>said 2>&1 && grep -q "; 0 came after" said
    told "20 pictures, each its own access unit's, through exported buffers and surfaces"
    decode both.fwht && cmp out both.ref >>said 2>&1 && grep -q "^gaps $" said
    told "changes of size without a marked last picture lose nothing"
    decode large.fwht lose=7
    { part large.ref $size 0 7 && part large.ref $size 10 10; } >wanted
    cmp out wanted >>said 2>&1 && grep -q "^gaps 7-9 NoReference$" said
    told "after lost packets an empty buffer drains, and the next key picture begins anew"
    # Frames that stay in the surfaces, read there by the stand-in driver's GPU: 3 surfaces, for 2 frames downstream and one on the GPU.
    export STAND_IN_SHARED=1
    decode large.fwht place && cmp out large.ref >>said 2>&1 && grep -q "^20 of them were lent; the GPU's input was the CPU's for 5 of 5$" said
    told "pictures are lent, and the GPU reads them where they are"
    decode both.fwht place && cmp out both.ref >>said 2>&1 && grep -q "^52 of them were lent; the GPU's input was the CPU's for 13 of 13$" said
    told "a change of size makes other surfaces"
    decode large.fwht place hold=3 && cmp out large.ref >>said 2>&1 && grep -q "^15 of them were lent; " said
    told "pictures for which no surface is free are copied"
    STAND_IN_EGL=0 decode large.fwht place && cmp out large.ref >>said 2>&1 && grep -q "^0 of them were lent; " said
    told "without a display for EGL pictures are copied"
    unset LD_LIBRARY_PATH
}

for multiplanar in 0 1; do
    way=$([ $multiplanar = 0 ] && echo single-planar || echo multi-planar)
    while read -r module; do
        case $module in
        vicodec.ko) insmod /modules/$module multiplanar=$multiplanar ;;
        *) [ $multiplanar = 1 ] || insmod /modules/$module ;;
        esac || echo "FAILED  insmod $module"
    done </modules/list
    encoder=$(node --list-formats) decoder=$(node --list-formats-out)
    echo "note    $way: encoder $encoder, decoder $decoder"
    encode large 640 480 20
    encode small 700 500 12
    size=$((640 * 480 * 3 / 2))

    m2m probe "$decoder" >said 2>&1
    grep -q "which decodes FWHT; allowed: one that decodes H264, HEVC, H265" said
    told "a decoder of other codings is refused in words"
    m2m probe "$encoder" >said 2>&1
    grep -q "allowed: one that decodes H264" said
    told "an encoder is refused in words"

    decode large.fwht && cmp out large.ref >>said 2>&1 && grep -q "^frames 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19$" said
    told "20 pictures, each its own access unit's, byte for byte as v4l2-ctl decodes them"
    grep -q "; 0 came after" said
    told "each comes while its own access unit is handed over"
    grep "pictures in" said | sed 's/^/note    /'
    decode small.fwht && cmp out small.ref >>said 2>&1
    told "a size that is no multiple of anything is cropped as v4l2-ctl crops it"

    cat large.fwht small.fwht large.fwht >both.fwht
    cat large.ref small.ref large.ref >both.ref
    decode both.fwht && cmp out both.ref >>said 2>&1 && grep -q "^gaps $" said
    told "two changes of size within the stream lose nothing"

    decode large.fwht lose=7
    { part large.ref $size 0 7 && part large.ref $size 10 10; } >wanted
    cmp out wanted >>said 2>&1 && grep -q "^gaps 7-9 NoReference$" said
    told "after lost packets the decoder forgets and begins at the next key picture"

    decode large.fwht restart=10 && cmp out large.ref >>said 2>&1 && grep -q "^gaps $" said
    told "a new connection opens the device anew and loses nothing"

    decode large.fwht break=12
    { part large.ref $size 0 12 && part large.ref $size 15 5; } >wanted
    cmp out wanted >>said 2>&1 && grep -q "^gaps 12-12 Corrupt, 13-14 NoReference$" said
    told "an access unit that is no picture is counted, and what refers to it is not shown"

    m2m decode "$decoder" large.fwht out stand=9 >said 2>&1 &
    held=$!
    until grep -q standing said; do usleep 50000; done
    kill -9 $held
    wait $held 2>/dev/null
    decode large.fwht && cmp out large.ref >>said 2>&1
    told "after a kill in the middle the device is opened and decodes again"
    [ $multiplanar = 0 ] || nvidia
    rmmod vicodec >said 2>&1
    told "every buffer and file of the device was given back"
done
echo done
poweroff -f
