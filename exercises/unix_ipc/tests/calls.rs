//! Each wrapper does what the call of its name does, between processes too.

use std::io::ErrorKind;
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};

use unix_ipc::semaphore::{NamedSemaphore, Semaphore, Sharing};
use unix_ipc::{Key, Make, msg::Queue, sem::Op, sem::Set, shm::Segment};

/// Keeps the tests apart, which are threads of one process: a child forked by one of them has what another has attached, and
/// a removed segment lives on as long as anybody has it attached (shmctl(2), `IPC_RMID`).
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `act` in a child, which ends without the test harness's doing, and gives its exit status.
fn in_a_child(act: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the child calls what is in `act`, system calls alone, and `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork");
    if child == 0 {
        // SAFETY: ends the process.
        unsafe { libc::_exit(i32::from(!act())) };
    }
    let mut status = 0;
    // SAFETY: the child is ours.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status), "{status}");
    libc::WEXITSTATUS(status)
}

fn page() -> *mut u8 {
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: the kernel chooses an address that is free.
    let page = unsafe { libc::mmap(null_mut(), 4096, access, flags, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    page.cast()
}

#[test]
fn an_unnamed_semaphore_counts_across_processes() {
    let _turn = alone();
    // SAFETY: a page of zeroes that stays mapped, and that nobody else uses.
    let semaphore = unsafe { Semaphore::init(page().cast(), Sharing::Processes, 1) }.expect("a semaphore");
    assert!(semaphore.try_wait().expect("an answer"));
    assert!(!semaphore.try_wait().expect("an answer"));
    assert_eq!(in_a_child(|| semaphore.post().is_ok()), 0);
    semaphore.wait().expect("the child has posted");
    assert_eq!(semaphore.value().expect("a number"), 0);
    // SAFETY: nobody uses it any more.
    unsafe { semaphore.destroy() }.expect("it was one");
}

#[test]
fn a_semaphore_has_a_name_until_it_is_unlinked() {
    let _turn = alone();
    let name = format!("/unix_ipc-{}", std::process::id());
    let made = NamedSemaphore::create(&name, 0).expect("a semaphore");
    assert_eq!(NamedSemaphore::create(&name, 0).expect_err("it is there").kind(), ErrorKind::AlreadyExists);
    assert_eq!(in_a_child(|| NamedSemaphore::open(&name).and_then(|other| other.post()).is_ok()), 0);
    made.wait().expect("the child has posted");
    assert!(!made.try_wait().expect("an answer"));
    NamedSemaphore::unlink(&name).expect("it was there");
    assert_eq!(NamedSemaphore::open(&name).expect_err("it is gone").kind(), ErrorKind::NotFound);
}

#[test]
fn a_segment_is_the_same_memory_in_both() {
    let _turn = alone();
    let segment = Segment::get(Key::Private, 4096, Make::New).expect("a segment");
    let attached = segment.attach().expect("memory");
    let ours = attached.base().cast::<u64>();
    let store = || {
        let Ok(theirs) = Segment::from_id(segment.id()).attach() else { return false };
        // SAFETY: eight bytes from the start of a segment of 4096.
        unsafe { theirs.base().cast::<u64>().write_volatile(4711) };
        segment.attachments().is_ok_and(|count| count == 3) // its own, the copy that fork gave it, its parent's
    };
    assert_eq!(in_a_child(store), 0);
    // SAFETY: as above.
    assert_eq!(unsafe { ours.read_volatile() }, 4711);
    segment.remove().expect("it was there");
    drop(attached);
    assert!(segment.attach().is_err());
}

#[test]
fn messages_are_chosen_by_their_type() {
    let _turn = alone();
    let queue = Queue::get(Key::Private, Make::New).expect("a queue");
    assert_eq!(in_a_child(|| queue.send(7, b"seven").and_then(|()| queue.send(3, b"three")).is_ok()), 0);
    assert_eq!(queue.receive(3, 64).expect("a message"), (3, b"three".to_vec()));
    assert_eq!(queue.receive(7, 4).expect_err("no room").raw_os_error(), Some(libc::E2BIG));
    assert_eq!(queue.receive(0, 5).expect("a message"), (7, b"seven".to_vec()));
    assert_eq!(queue.try_receive(0, 64).expect("an answer"), None);
    assert_eq!(queue.send(0, b"").expect_err("a type is 1 or more").raw_os_error(), Some(libc::EINVAL));
    queue.remove().expect("it was there");
    assert!(queue.send(1, b"late").is_err());
}

#[test]
fn what_a_process_took_is_given_back_when_it_ends() {
    let _turn = alone();
    let set = Set::get(Key::Private, 2, Make::New).expect("a set");
    set.set(0, 1).expect("a value");
    set.set(1, 5).expect("a value");
    let take = |undo| Op { index: 0, change: -1, undo };
    assert_eq!(in_a_child(|| set.change(&[take(true), Op { index: 1, change: 2, undo: false }]).is_ok()), 0);
    assert_eq!((set.value(0).expect("a number"), set.value(1).expect("a number")), (1, 7));
    assert_eq!(in_a_child(|| set.change(&[take(false)]).is_ok()), 0);
    assert!(!set.try_change(&[take(false)]).expect("an answer"), "nobody has given it back");
    set.remove().expect("it was there");
}
