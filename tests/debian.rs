//! The profile of a build's container is minimal, and yet enough for what builds really do: install
//! packages as root and compile.
#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "runner/world.rs"]
mod world;

use autobuilder::runner::End;
use world::World;

/// Builds a package whose installation owns, sets bits, makes users and drops privileges, installs it
/// with apt, and compiles.
const SCRIPT: &str = r#"set -ex
mkdir -p /tmp/p/DEBIAN /tmp/p/usr/bin
printf 'Package: probe\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n' >/tmp/p/DEBIAN/control
cat >/tmp/p/DEBIAN/postinst <<'END'
#!/bin/sh
set -e
useradd --system --create-home probe
chown probe:probe /usr/bin/probe
chmod 6755 /usr/bin/probe
setpriv --reuid probe --clear-groups sh -c 'echo mine >/home/probe/file'
sleep 100 & kill $!
END
chmod 755 /tmp/p/DEBIAN/postinst
cp /bin/true /tmp/p/usr/bin/probe
dpkg-deb --build /tmp/p /tmp/probe.deb
apt-get install -y /tmp/probe.deb
probe
setpriv --reuid probe --clear-groups sleep 100 & sleep 0.5; kill $!
printf '#include <stdio.h>\nint main(void){puts("compiled");return 0;}\n' >main.c
gcc -O2 -o /target/tool main.c
/target/tool
! mount -t tmpfs none /mnt
! mknod /tmp/device b 8 0
"#;

/// Debian with apt and gcc, imported from the distribution's packages by `scripts/setup test`.
const IMAGE: &str = "autobuilder/apt:latest";

#[tokio::test]
async fn packages_are_installed_and_programs_compiled_in_the_default_profile() {
    World::test(async |world| {
        let mut job = world.job(SCRIPT);
        job.build.recipe.baseimage = IMAGE.into();
        job.build.recipe.limits.memory = "1g".parse().unwrap();
        let end = world.run(&job).await;
        assert!(matches!(end, End::Published(_)), "{end:?}\n{}", world.log(&job));
        assert!(world.log(&job).contains("\ncompiled\n"), "{}", world.log(&job));
    })
    .await;
}
