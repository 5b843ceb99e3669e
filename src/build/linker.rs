//! The linker, called without the C compiler that stands before it: two processes the less for each program.

use std::path::Path;
use std::process::{Command, Stdio};

use super::toolchain::Toolchain;

/// Folders in which what a link needs is found, in the compiler's box too.
const SYSTEM: [&str; 6] = ["/lib", "/lib32", "/lib64", "/libx32", "/nix", "/usr/lib"];

/// The arguments with which the toolchain's own linker does what the C compiler would have it do; none where the
/// toolchain has none, or the C compiler does not tell.
pub(super) fn direct(toolchain: &Toolchain) -> Option<Vec<String>> {
    if !toolchain.part("bin/rust-lld").is_file() {
        return None;
    }
    let told = Command::new("cc")
        .args(["-###", "-pie", "-nodefaultlibs", "learner.o", "-o", "learner"])
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let told = String::from_utf8(told.stderr).ok()?;
    arguments(&told, |path| path.canonicalize().ok()?.to_str().map(str::to_owned))
}

/// What is said of the link: the last line with the start-up files in it (gcc(1), `-###`).
fn arguments(told: &str, real: impl Fn(&Path) -> Option<String>) -> Option<Vec<String>> {
    let line = told.lines().rfind(|line| line.contains("crti.o"))?;
    let mut words = line.split_whitespace().map(|word| word.trim_matches('"'));
    let mut found = Vec::new();
    let (mut loader, mut starts) = (false, 0);
    while let Some(word) = words.next() {
        match word {
            "-m" | "-dynamic-linker" => {
                loader |= word == "-dynamic-linker";
                found.extend([word.to_owned(), words.next()?.to_owned()]);
            }
            _ if word.starts_with("--hash-style") => found.push(word.to_owned()),
            _ if word.starts_with("-L") => {
                let Some(folder) = real(Path::new(&word[2..])).filter(|path| is_system(path)) else { continue };
                let flag = format!("-L{folder}");
                if !found.contains(&flag) {
                    found.push(flag);
                }
            }
            _ if word.starts_with('/') && word.ends_with(".o") => {
                found.push(real(Path::new(word)).filter(|path| is_system(path))?);
                starts += 1;
            }
            _ => {}
        }
    }
    (loader && starts >= 3).then_some(found)
}

fn is_system(path: &str) -> bool {
    SYSTEM.iter().any(|folder| Path::new(path).starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_c_compilers_words_become_the_linkers() {
        let told = "Target: x86_64-linux-gnu\nCOLLECT_GCC_OPTIONS='-pie'\n /usr/lib/gcc/12/collect2 -plugin \
            /usr/lib/gcc/12/lto.so --build-id \"-plugin-opt=-fresolution=/tmp/x.res\" -m elf_x86_64 --hash-style=gnu \
            -dynamic-linker /lib64/ld-linux-x86-64.so.2 -pie \"-o\" learner /usr/lib/Scrt1.o /usr/lib/crti.o \
            /usr/lib/gcc/12/crtbeginS.o -L/usr/lib/gcc/12 -L/opt/other -L/usr/lib -L/usr/lib learner.o \
            /usr/lib/gcc/12/crtendS.o /usr/lib/crtn.o\nCOLLECT_GCC_OPTIONS='-pie'\n";
        let same = |path: &Path| path.to_str().map(str::to_owned);
        let expected = "-m elf_x86_64 --hash-style=gnu -dynamic-linker /lib64/ld-linux-x86-64.so.2 /usr/lib/Scrt1.o \
            /usr/lib/crti.o /usr/lib/gcc/12/crtbeginS.o -L/usr/lib/gcc/12 -L/usr/lib /usr/lib/gcc/12/crtendS.o \
            /usr/lib/crtn.o";
        assert_eq!(arguments(told, same).map(|all| all.join(" ")).as_deref(), Some(expected));
        // A start-up file that the box would not have: the C compiler is asked each time instead.
        assert_eq!(arguments(&told.replace("/usr/lib/crti.o", "/opt/crti.o"), same), None);
        assert_eq!(arguments("cc: error: unrecognized option '-###'\n", same), None);
    }
}
