#!/bin/sh
# A small Linux kernel, in full, out of the distribution's source.
set -e
mkdir /build
cd /build
echo "unpacking $(ls /usr/src/linux-source-*.tar.xz)"
tar -xf /usr/src/linux-source-*.tar.xz --strip-components=1
make -s tinyconfig
scripts/kconfig/merge_config.sh -m .config /initramfs/fragment
make -s olddefconfig
echo "$COMMIT" >/build-id
make -j"$(nproc)" bzImage
cp arch/x86/boot/bzImage /target/vmlinuz.efi
