//! What was read off files, kept for later runs: the worker runs one program many times, each with the same libraries.

use std::collections::HashMap;
use std::fs::File;
use std::hash::Hash;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};

/// More files than a worker meets programs and libraries in a row.
const MOST: usize = 64;

/// A file's identity: another program under the same inode number has another time of change.
type Identity = (u64, u64, u64, i64, i64);

/// What was asked of files, `W`, and what they said, `T`.
#[derive(Debug)]
pub(super) struct Kept<W, T>(Mutex<HashMap<(W, Identity), Arc<T>>>);

impl<W, T> Default for Kept<W, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<W: Eq + Hash, T> Kept<W, T> {
    /// What a file says, read where it has not been yet; none where there is no such file.
    pub(super) fn of(&self, path: &str, what: W, read: impl FnOnce(File) -> T) -> Option<Arc<T>> {
        let file = File::open(path).ok()?;
        let seen = file.metadata().ok()?;
        let key = (what, (seen.dev(), seen.ino(), seen.size(), seen.ctime(), seen.ctime_nsec()));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&key) {
            return Some(Arc::clone(known));
        }
        if all.len() >= MOST {
            all.clear();
        }
        let said = Arc::new(read(file));
        all.insert(key, Arc::clone(&said));
        Some(said)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_file_is_read_again_when_it_is_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("program");
        let kept = Kept::<u8, String>::default();
        let said = |what: u8, read: &mut u32| {
            let text = |mut file: File| {
                *read += 1;
                let mut text = String::new();
                file.read_to_string(&mut text).expect("text");
                text
            };
            kept.of(path.to_str().expect("a plain path"), what, text).map(|text| text.as_str().to_owned())
        };
        let mut read = 0;
        assert_eq!(said(1, &mut read), None);
        std::fs::write(&path, "one").expect("written");
        assert_eq!((said(1, &mut read).as_deref(), said(1, &mut read).as_deref(), read), (Some("one"), Some("one"), 1));
        assert_eq!((said(2, &mut read).as_deref(), read), (Some("one"), 2), "something else was asked");
        std::fs::write(&path, "other").expect("written");
        assert_eq!((said(1, &mut read).as_deref(), read), (Some("other"), 3));
    }
}
