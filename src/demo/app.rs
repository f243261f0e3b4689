//! The application that the demo patches: `shop`, a shell script with a check of its own.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::DemoError;
use crate::core::ids::Digest;

/// The application's name.
pub(super) const NAME: &str = "shop";
/// What is installed when the demo starts.
pub(super) const OLD: &str = "2.4.0";
/// What its plan asks for.
pub(super) const NEW: &str = "2.4.1";
/// Where releases live on a host, below its home.
pub(super) const ROOT: &str = "apps";
/// On a host whose home has this file the new release's check fails.
const FAILS: &str = ".shop-orders-are-locked";

const SHOP: &str = r#"#!/bin/sh
# The demo's application: what COUNT articles at CENTS each cost.
case ${1:-} in
    --version) echo "shop @VERSION@" ;;
    total) printf '%d.%02d\n' "$(($2 * $3 / 100))" "$(($2 * $3 % 100))" ;;
    *) echo "usage: shop total COUNT CENTS | shop --version" >&2; exit 2 ;;
esac
"#;

const CHECK: &str = r#"#!/bin/sh
# Is this release fit to serve?
bin=$(dirname -- "$0")
fail() { echo "shop @VERSION@: $1" >&2; exit 1; }
[ "$("$bin/shop" --version)" = "shop @VERSION@" ] || fail "it calls itself something else"
[ "$("$bin/shop" total 3 250)" = 7.50 ] || fail "three articles at 2.50 do not cost 7.50"
@MORE@echo "shop @VERSION@: it adds up"
"#;

const CHECK_ORDERS: &str = r#"[ ! -e "$HOME/@FAILS@" ] || fail "the orders of release @OLD@ cannot be opened"
"#;

/// A file of a release: path, mode, text.
type ReleaseFile = (&'static str, u32, String);

fn release(version: &str) -> Vec<ReleaseFile> {
    let more = if version == OLD { "" } else { CHECK_ORDERS };
    let fill = |text: &str| {
        let text = text.replace("@MORE@", more).replace("@VERSION@", version);
        text.replace("@FAILS@", FAILS).replace("@OLD@", OLD)
    };
    vec![("bin/shop", 0o755, fill(SHOP)), ("bin/check", 0o755, fill(CHECK)), ("VERSION", 0o644, format!("{version}\n"))]
}

fn write_release(folder: &Path, version: &str) -> Result<(), DemoError> {
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).map_err(DemoError::file("make", &bin))?;
    for (name, mode, text) in release(version) {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(DemoError::file("write", &path))?;
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&path, mode).map_err(DemoError::file("set the mode of", &path))?;
    }
    Ok(())
}

/// Makes a host's home as it is before the patch; where it `fails`, the new release will not pass its check.
pub(super) fn install_old(home: &Path, fails: bool) -> Result<(), DemoError> {
    let app = home.join(ROOT).join(NAME);
    write_release(&app.join("releases").join(OLD), OLD)?;
    let current = app.join("current");
    symlink(Path::new("releases").join(OLD), &current).map_err(DemoError::file("make", &current))?;
    if fails {
        let path = home.join(FAILS);
        std::fs::write(&path, "").map_err(DemoError::file("write", &path))?;
    }
    Ok(())
}

/// Packs both releases into `folder`, with their checksums.
pub(super) async fn pack_releases(folder: &Path) -> Result<(), DemoError> {
    let mut sums = String::new();
    for version in [OLD, NEW] {
        let name = format!("{NAME}-{version}");
        let tree = folder.join(&name);
        write_release(&tree, version)?;
        let archive = folder.join(format!("{name}.tar.gz"));
        pack(folder, &name, &archive).await?;
        std::fs::remove_dir_all(&tree).map_err(DemoError::file("remove", &tree))?;
        let bytes = std::fs::read(&archive).map_err(DemoError::file("read", &archive))?;
        sums.push_str(&format!("{}  {name}.tar.gz\n", Digest::of(&bytes).hex()));
    }
    let path = folder.join("SHA256SUMS");
    std::fs::write(&path, sums).map_err(DemoError::file("write", &path))
}

/// By `tar`, which every host of the `release` playbook needs anyway.
async fn pack(folder: &Path, name: &str, archive: &Path) -> Result<(), DemoError> {
    let failed = |why: String| DemoError::Pack { release: name.to_owned(), why };
    let mut tar = tokio::process::Command::new("tar");
    tar.arg("-C").arg(folder).arg("-czf").arg(archive).arg(name).stdin(std::process::Stdio::null());
    let done = tar.output().await.map_err(|error| failed(error.to_string()))?;
    if done.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&done.stderr).trim().to_owned()))
}
