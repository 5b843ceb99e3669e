//! libc's functions that the recorder knows, by name.

use crate::trace::raw::SyncKind;

/// What a function does, as far as the recorder looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    /// It synchronises (sem_overview(7), pthreads(7)).
    Sync(&'static Sync),
    /// A signal handler must not call it (signal-safety(7)).
    Unsafe(&'static str),
}

/// A function that synchronises.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sync {
    pub(super) name: &'static str,
    pub(super) kind: SyncKind,
    pub(super) role: Role,
}

impl Sync {
    /// How many bytes its object has on this machine (bits/pthreadtypes-arch.h, bits/semaphore.h).
    pub(super) fn size(&self) -> u64 {
        (match self.kind {
            SyncKind::Semaphore => size_of::<libc::sem_t>(),
            SyncKind::Mutex if self.is_spin() => size_of::<libc::pthread_spinlock_t>(),
            SyncKind::Mutex => size_of::<libc::pthread_mutex_t>(),
            SyncKind::ReadWriteLock => size_of::<libc::pthread_rwlock_t>(),
            SyncKind::Condition => size_of::<libc::pthread_cond_t>(),
            SyncKind::Barrier => size_of::<libc::pthread_barrier_t>(),
        }) as u64
    }

    /// One of the locks that are waited for without sleep (pthread_spin_lock(3)).
    pub(super) fn is_spin(&self) -> bool {
        self.name.starts_with("pthread_spin_")
    }

    /// Whether a signal handler must not call it: of all of these sem_post alone is safe (signal-safety(7)).
    pub(super) fn is_unsafe(&self) -> bool {
        self.name != "sem_post"
    }
}

/// What a function does to the object that its first argument points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Gives it its first state.
    Init,
    /// sem_open: its address is the result.
    Open,
    /// Its memory may become something else.
    Destroy,
    /// Takes it and waits where it must.
    Acquire,
    /// Takes it or fails at once.
    TryAcquire,
    /// Takes it for reading and waits where it must.
    Share,
    /// Takes it for reading or fails at once.
    TryShare,
    /// Gives it back, posts it, signals it.
    Release,
    /// Signals it to all who wait.
    Broadcast,
    /// pthread_cond_wait and its like: gives the mutex of the second argument back meanwhile.
    Await,
    /// pthread_barrier_wait.
    Meet,
    /// Only what it does to the object's memory is its own: nothing is told of it.
    Mend,
}

impl Role {
    /// Whether others can notice when the function is called: a switch before it matters.
    pub(super) fn decides(self) -> bool {
        !matches!(self, Self::Init | Self::Open | Self::Destroy | Self::Mend)
    }
}

/// The functions that synchronise. Those that libc has under two names stand at one address.
static SYNC: [Sync; 42] = {
    use Role::*;
    use SyncKind::*;
    [
        sync("sem_init", Semaphore, Init),
        sync("sem_destroy", Semaphore, Destroy),
        sync("sem_open", Semaphore, Open),
        sync("sem_wait", Semaphore, Acquire),
        sync("sem_trywait", Semaphore, TryAcquire),
        sync("sem_timedwait", Semaphore, Acquire),
        sync("sem_clockwait", Semaphore, Acquire),
        sync("sem_post", Semaphore, Release),
        sync("pthread_mutex_init", Mutex, Init),
        sync("pthread_mutex_destroy", Mutex, Destroy),
        sync("pthread_mutex_lock", Mutex, Acquire),
        sync("pthread_mutex_consistent", Mutex, Mend),
        sync("pthread_mutex_trylock", Mutex, TryAcquire),
        sync("pthread_mutex_timedlock", Mutex, Acquire),
        sync("pthread_mutex_clocklock", Mutex, Acquire),
        sync("pthread_mutex_unlock", Mutex, Release),
        sync("pthread_spin_init", Mutex, Init),
        sync("pthread_spin_destroy", Mutex, Destroy),
        sync("pthread_spin_lock", Mutex, Acquire),
        sync("pthread_spin_trylock", Mutex, TryAcquire),
        sync("pthread_spin_unlock", Mutex, Release),
        sync("pthread_cond_init", Condition, Init),
        sync("pthread_cond_destroy", Condition, Destroy),
        sync("pthread_cond_wait", Condition, Await),
        sync("pthread_cond_timedwait", Condition, Await),
        sync("pthread_cond_clockwait", Condition, Await),
        sync("pthread_cond_signal", Condition, Release),
        sync("pthread_cond_broadcast", Condition, Broadcast),
        sync("pthread_rwlock_init", ReadWriteLock, Init),
        sync("pthread_rwlock_destroy", ReadWriteLock, Destroy),
        sync("pthread_rwlock_rdlock", ReadWriteLock, Share),
        sync("pthread_rwlock_tryrdlock", ReadWriteLock, TryShare),
        sync("pthread_rwlock_timedrdlock", ReadWriteLock, Share),
        sync("pthread_rwlock_clockrdlock", ReadWriteLock, Share),
        sync("pthread_rwlock_wrlock", ReadWriteLock, Acquire),
        sync("pthread_rwlock_trywrlock", ReadWriteLock, TryAcquire),
        sync("pthread_rwlock_timedwrlock", ReadWriteLock, Acquire),
        sync("pthread_rwlock_clockwrlock", ReadWriteLock, Acquire),
        sync("pthread_rwlock_unlock", ReadWriteLock, Release),
        sync("pthread_barrier_init", Barrier, Init),
        sync("pthread_barrier_destroy", Barrier, Destroy),
        sync("pthread_barrier_wait", Barrier, Meet),
    ]
};

const fn sync(name: &'static str, kind: SyncKind, role: Role) -> Sync {
    Sync { name, kind, role }
}

/// Functions that are not among those of signal-safety(7), of the kind that handlers are found to call. `__printf_chk`
/// and its like are what printf is compiled to with _FORTIFY_SOURCE.
const UNSAFE: &[(&str, &str)] = &[
    ("malloc", "malloc"),
    ("calloc", "calloc"),
    ("realloc", "realloc"),
    ("free", "free"),
    ("printf", "printf"),
    ("__printf_chk", "printf"),
    ("fprintf", "fprintf"),
    ("__fprintf_chk", "fprintf"),
    ("vprintf", "vprintf"),
    ("__vprintf_chk", "vprintf"),
    ("vfprintf", "vfprintf"),
    ("__vfprintf_chk", "vfprintf"),
    ("puts", "puts"),
    ("putchar", "putchar"),
    ("fputs", "fputs"),
    ("fputc", "fputc"),
    ("fwrite", "fwrite"),
    ("fflush", "fflush"),
    ("perror", "perror"),
    ("exit", "exit"),
    ("syslog", "syslog"),
    ("__syslog_chk", "syslog"),
    ("localtime", "localtime"),
    ("ctime", "ctime"),
];

/// The function of this name in libc.
pub(super) fn in_libc(name: &[u8]) -> Option<Function> {
    // The two families begin alike: most of some thousand names need no look at the tables.
    if name.starts_with(b"sem_") || name.starts_with(b"pthread_") {
        return SYNC.iter().find(|known| known.name.as_bytes() == name).map(Function::Sync);
    }
    let known = UNSAFE.iter().find(|(known, _)| known.as_bytes() == name)?;
    Some(Function::Unsafe(known.1))
}

/// The function of this name in a Rust program: what `print!` and `eprint!` call (library/std/src/io/stdio.rs), under
/// either mangling (`rustc -C symbol-mangling-version`).
pub(super) fn in_rust(name: &[u8]) -> Option<Function> {
    if !name.starts_with(b"_ZN3std2io5stdio") && !name.starts_with(b"_R") {
        return None;
    }
    let holds = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    if !holds(b"3std2io5stdio") {
        return None;
    }
    let legacy = |part: &str| name.starts_with(format!("_ZN3std2io5stdio{part}17h").as_bytes());
    if legacy("6_print") || name.ends_with(b"6__print") {
        Some(Function::Unsafe("println!"))
    } else if legacy("7_eprint") || name.ends_with(b"7__eprint") {
        Some(Function::Unsafe("eprintln!"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str) -> &'static Sync {
        match in_libc(name.as_bytes()) {
            Some(Function::Sync(sync)) => sync,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn names_are_found() {
        assert_eq!((found("sem_post").kind, found("sem_post").role), (SyncKind::Semaphore, Role::Release));
        assert_eq!(in_libc(b"sem_unlink"), None);
        assert_eq!(in_libc(b"__printf_chk"), Some(Function::Unsafe("printf")));
        assert_eq!(in_libc(b"write"), None);
    }

    #[test]
    fn a_spin_lock_is_a_small_mutex() {
        assert_eq!((found("pthread_spin_lock").kind, found("pthread_spin_lock").size()), (SyncKind::Mutex, 4));
        assert_eq!(found("pthread_mutex_lock").size(), 40);
    }

    #[test]
    fn rusts_own_are_found_under_both_manglings() {
        let print = Some(Function::Unsafe("println!"));
        assert_eq!(in_rust(b"_ZN3std2io5stdio6_print17h0123456789abcdefE"), print);
        assert_eq!(in_rust(b"_RNvNtNtCs1a2b3c_3std2io5stdio6__print"), print);
        assert_eq!(in_rust(b"_ZN3std2io5stdio7_eprint17h0123456789abcdefE"), Some(Function::Unsafe("eprintln!")));
        assert_eq!(in_rust(b"_ZN3std2io5stdio8print_to17h0123456789abcdefE"), None);
    }

    #[test]
    fn what_is_unsafe_in_a_handler() {
        use crate::model::signal_safety::is_unsafe;
        assert!(UNSAFE.iter().all(|(_, name)| is_unsafe(name)));
        assert!(SYNC.iter().all(|sync| is_unsafe(sync.name) == sync.is_unsafe()));
        assert!(!found("sem_post").is_unsafe());
        assert!(found("pthread_mutex_lock").is_unsafe());
    }
}
