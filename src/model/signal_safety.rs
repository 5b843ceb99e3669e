//! Functions that a signal handler must not call, of those that handlers are found to call (signal-safety(7)).

/// Their names in the manual, and Rust's macros that print.
const UNSAFE: [&str; 21] = [
    "malloc",
    "calloc",
    "realloc",
    "free",
    "printf",
    "fprintf",
    "vprintf",
    "vfprintf",
    "puts",
    "putchar",
    "fputs",
    "fputc",
    "fwrite",
    "fflush",
    "perror",
    "exit",
    "syslog",
    "localtime",
    "ctime",
    "println!",
    "eprintln!",
];

/// Whether a handler must not call the function of this name. Of those of pthreads(7) that wait none is safe; of
/// sem_overview(7) sem_post alone is.
pub fn is_unsafe(function: &str) -> bool {
    UNSAFE.contains(&function)
        || function.starts_with("pthread_")
        || function.starts_with("sem_") && function != "sem_post"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_manual_lists_is_safe() {
        for safe in ["write", "waitpid", "kill", "_exit", "sem_post", "chdir", "setsid", "link", "rename"] {
            assert!(!is_unsafe(safe), "{safe}");
        }
        for not in ["println!", "malloc", "exit", "pthread_mutex_lock", "sem_wait"] {
            assert!(is_unsafe(not), "{not}");
        }
    }
}
