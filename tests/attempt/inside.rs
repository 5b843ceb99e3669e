//! What the program under judgement does, by name.
#![allow(unsafe_code, reason = "the programs fork, map memory and install handlers")]

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroUsize;
use std::process::{ExitCode, exit};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::OFlag;
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sched::CloneFlags;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, shm_open, shm_unlink};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, raise, sigaction};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, ftruncate, mkfifo};

/// Runs one of them.
pub(crate) fn run(name: &str, args: &[String]) -> ExitCode {
    match name {
        "hello" => println!("hello"),
        "one line" => one_line(),
        "greeter" => greeter(),
        "never opens" => mkfifo("names", Mode::S_IRWXU).expect("a FIFO"),
        "answer" => answer(),
        "queue" => queue(),
        "interrupted" => interrupted(),
        "copy" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).expect("text");
            print!("{text}");
        }
        "deadlock" => deadlock(),
        "fork bomb" => loop {
            // SAFETY: one thread.
            let _more = unsafe { fork() };
        },
        "daemon" => daemon(),
        "flood" => loop {
            print!("{}", "flood\n".repeat(1000));
        },
        "kill all" => println!("{:?}", kill(Pid::from_raw(-1), Signal::SIGKILL)),
        "kill group" => kill(Pid::from_raw(0), Signal::SIGTERM).expect("itself"),
        "stop itself" => raise(Signal::SIGSTOP).expect("a signal"),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "much memory" => {
            let much = vec![1u8; 1 << 30];
            println!("{}", much.len());
        }
        "many files" => {
            let files: Vec<_> = (0..10_000).map_while(|_| File::open("/dev/null").ok()).collect();
            println!("{}", files.len());
        }
        "full disk" => {
            let mut file = File::create("full").expect("a file");
            while file.write_all(&[7; 1 << 16]).is_ok() {}
            println!("full");
        }
        "no way out" => {
            let flags = CloneFlags::CLONE_NEWUSER;
            println!("{:?}", nix::sched::unshare(flags));
            println!("{:?}", nix::sys::ptrace::traceme());
            println!("{:?}", nix::unistd::chroot("/tmp"));
        }
        other => panic!("nothing is called {other} ({args:?})"),
    }
    std::io::stdout().flush().expect("standard output takes it");
    ExitCode::SUCCESS
}

fn one_line() {
    let (mut read, mut write) = std::io::pipe().expect("a pipe");
    // SAFETY: one thread.
    match unsafe { fork() }.expect("a child") {
        ForkResult::Child => {
            drop(write);
            let mut text = String::new();
            read.read_to_string(&mut text).expect("text");
            print!("{}", text.to_uppercase());
            std::io::stdout().flush().expect("standard output takes it");
            exit(0);
        }
        ForkResult::Parent { child } => {
            drop(read);
            write.write_all(b"kettle\n").expect("a reader");
            drop(write);
            waitpid(child, None).expect("a child");
        }
    }
}

fn greeter() {
    mkfifo("names", Mode::S_IRWXU).expect("a FIFO");
    mkfifo("greetings", Mode::S_IRWXU).expect("a FIFO");
    let names = File::open("names").expect("a writer");
    let mut greetings = OpenOptions::new().write(true).open("greetings").expect("a reader");
    for name in BufReader::new(names).lines() {
        let greeting = format!("hello {}\n", name.expect("a name"));
        greetings.write_all(greeting.as_bytes()).expect("a reader");
    }
}

fn answer() {
    let object = shm_open("/numbers", OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR, Mode::S_IRUSR | Mode::S_IWUSR)
        .expect("an object");
    ftruncate(&object, 8).expect("a size");
    let eight = NonZeroUsize::new(8).expect("eight");
    // SAFETY: a new mapping, of the object's own size.
    let base =
        unsafe { mmap(None, eight, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, &object, 0) }
            .expect("a mapping")
            .cast::<u32>();
    // SAFETY: the first of two numbers.
    unsafe { base.write_volatile(77) };
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("a line");
    // SAFETY: the second of two numbers.
    println!("{}", unsafe { base.add(1).read_volatile() });
    shm_unlink("/numbers").expect("a name");
}

fn queue() {
    let name = CString::new("/orders").expect("no zero byte");
    let attributes = MqAttr::new(0, 4, 64, 0);
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_RDWR;
    let queue = mq_open(name.as_c_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&attributes)).expect("a queue");
    mq_send(&queue, b"low", 1).expect("room");
    mq_send(&queue, b"high", 9).expect("room");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("a line");
    let mut message = [0; 64];
    let mut priority = 0;
    let count = mq_receive(&queue, &mut message, &mut priority).expect("a message");
    println!("{} {priority}", String::from_utf8_lossy(&message[..count]));
    mq_unlink(name.as_c_str()).expect("a name");
}

static ASKED: AtomicBool = AtomicBool::new(false);

extern "C" fn ask(_: i32) {
    ASKED.store(true, Ordering::SeqCst);
}

fn interrupted() {
    let action = SigAction::new(SigHandler::Handler(ask), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler stores an atomic and no more.
    unsafe { sigaction(Signal::SIGINT, &action) }.expect("a handler");
    while !ASKED.load(Ordering::SeqCst) {
        nix::unistd::pause();
    }
    println!("asked to end");
}

fn deadlock() {
    let (mut read, _write) = std::io::pipe().expect("a pipe");
    read.read_to_string(&mut String::new()).expect("never");
}

/// Leaves a process behind that would go on for ever.
fn daemon() {
    // SAFETY: one thread.
    if let ForkResult::Child = unsafe { fork() }.expect("a child") {
        let _session = nix::unistd::setsid();
        loop {
            nix::unistd::pause();
        }
    }
}
