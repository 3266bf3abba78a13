# A virtual machine with Debian's kernel, for scripts of .ci/interop that need a device of the kernel's own. To be sourced, after build.bash.
#
# `guest_begin NAME` makes $work, removed at the end, and in it $root, the guest's first and only file system; its /init is the script's.

[ "$(uname -m)" = x86_64 ] || skip "the virtual machine is an x86-64 one"

# guest_needs PACKAGE…: on this machine, beside what every guest needs.
guest_needs() {
    local all=(qemu-system-x86 busybox-static cpio kmod xz-utils binutils "$@")
    dpkg -s "${all[@]}" >/dev/null 2>&1 && return
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${all[@]}" >/dev/null ||
        skip "apt-get could not install ${all[*]}"
}

# guest_version: the version of this release's kernel.
guest_version() {
    local image
    apt-cache show linux-image-amd64 >/dev/null 2>&1 || apt-get update -qq || true
    image=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image/{print $2; exit}')
    echo "${image#linux-image-}"
}

# guest_kernel VERSION FOLDER: this release's kernel and its modules, unpacked.
guest_kernel() {
    mkdir -p "$2"
    (cd "$2" && apt-get -qq -o APT::Sandbox::User=root download "linux-image-$1") || skip "the kernel $1 cannot be had"
    dpkg-deb --fsys-tarfile "$2"/linux-image-*.deb | tar -x -C "$2"
    echo "note    kernel $1"
}

guest_begin() {
    work=$(mktemp -d -t "arenad-$1-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    # So that apt's own user may write what it fetches.
    chmod 755 "$work"
    root=$work/root
    mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc,modules}
    cp "$(command -v busybox)" "$root/bin/busybox"
}

# guest_modules VERSION FOLDER MODULE…: with all that they need, in the order in which /modules/list names them.
guest_modules() {
    local version=$1 folder=$2 module
    shift 2
    depmod -b "$folder" "$version" 2>/dev/null
    for module in "$@"; do
        modprobe -d "$folder" -S "$version" --show-depends --ignore-install "$module" | awk '/^insmod/{print $2}'
    done | awk '!seen[$0]++' | while read -r module; do
        local name
        name=$(basename "${module%.xz}")
        if [ "$module" = "${module%.xz}" ]; then cp "$module" "$root/modules/$name"; else xz -dc "$module" >"$root/modules/$name"; fi
        echo "$name" >>"$root/modules/list"
    done
}

# guest_programs FILE…: into /bin, with the libraries that they open.
guest_programs() {
    local file library
    for file in "$@"; do
        strip -o "$root/bin/$(basename "$file")" "$file"
        ldd "$file" | awk '{for (i = 1; i <= NF; i++) if ($i ~ /^\//) print $i}'
    done | sort -u | while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
}

# guest_run KERNEL INIT SECONDS QEMU-OPTION…: boots it; what it says is in $work/console.
guest_run() {
    local kernel=$1 init=$2 seconds=$3
    shift 3
    cp "$init" "$root/init"
    chmod +x "$root/init"
    (cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initrd"
    timeout --kill-after=10 "$seconds" qemu-system-x86_64 -accel tcg -cpu max -nographic -nodefaults -serial stdio -no-reboot "$@" \
        -kernel "$kernel" -initrd "$work/initrd" -append 'console=ttyS0 quiet panic=-1' </dev/null 2>&1 | tr -d '\r' >"$work/console" || true
    [ -z "${KEEP_CONSOLE:-}" ] || cp "$work/console" "$KEEP_CONSOLE"
}

# guest_verdict: of an /init that says ok, FAILED, note and at the end done.
guest_verdict() {
    grep -E '^(ok|FAILED|note|        |done)' "$work/console" || tail -n 30 "$work/console"
    grep -q '^done' "$work/console" && ! grep -q '^FAILED' "$work/console"
}
