//! The standard library without its debugging information, which the linker would copy into every program: a third of
//! a link's time, for lines that no finding names.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::cache::cache_folder;
use super::source::hex;
use super::toolchain::Toolchain;

/// A sysroot for the compiler's box, made once for each toolchain; none where the toolchain cannot make it.
///
/// Its objects are copies; what is read of crates besides is a link into the toolchain, which the box has at
/// `/toolchain`.
pub(super) fn prepare(toolchain: &Toolchain) -> Option<PathBuf> {
    let hash = Sha256::digest(format!("{}{}", toolchain.version, toolchain.sysroot.display()));
    let all = cache_folder().join("sysroots");
    let place = all.join(hex(&hash[..8]));
    if place.is_dir() {
        return Some(place);
    }
    fs::create_dir_all(&all).ok()?;
    let stage = tempfile::Builder::new().prefix("stage-").tempdir_in(&all).ok()?;
    fill(toolchain, stage.path()).ok()?;
    // It is whole, or it is not there; another's is as good.
    fs::set_permissions(stage.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).ok()?;
    let made = stage.keep();
    if fs::rename(&made, &place).is_err() {
        let _theirs = fs::remove_dir_all(&made);
    }
    place.is_dir().then_some(place)
}

fn fill(toolchain: &Toolchain, folder: &Path) -> std::io::Result<()> {
    let below = Toolchain::below(&toolchain.host, "lib");
    let (from, to) = (toolchain.part("lib"), folder.join(&below));
    fs::create_dir_all(&to)?;
    let inside = Path::new("/toolchain").join(&below);
    for entry in fs::read_dir(&from)? {
        let name = entry?.file_name();
        if Path::new(&name).extension().is_some_and(|extension| extension == "rlib") {
            let status = Command::new(toolchain.part("bin/rust-objcopy"))
                .arg("--strip-debug")
                .args([from.join(&name), to.join(&name)])
                .env("LD_LIBRARY_PATH", toolchain.sysroot.join("lib"))
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .status()?;
            if !status.success() {
                return Err(std::io::Error::other("rust-objcopy failed"));
            }
        } else {
            symlink(inside.join(&name), to.join(&name))?;
        }
    }
    Ok(())
}
