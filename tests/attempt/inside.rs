//! What the program under judgement does, by name.
#![allow(unsafe_code, reason = "the programs fork, map memory and install handlers")]

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroUsize;
use std::process::{ExitCode, exit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sched::CloneFlags;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, shm_open, shm_unlink};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, raise, sigaction};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, wait, waitpid};
use nix::time::ClockId;
use nix::unistd::{ForkResult, Pid, fork, ftruncate, mkfifo};

/// Runs one of them.
pub(crate) fn run(name: &str, args: &[String]) -> ExitCode {
    match name {
        "hello" => println!("hello"),
        "sleeps to wait" => crate::replay::sleeps_to_wait(),
        "pieces" => crate::faults::reads_in_pieces(),
        "meets errors" => crate::faults::meets_errors(),
        "one line" => one_line(),
        "greeter" => greeter(),
        "meets behind a link" => crate::links::meets_behind_a_link(),
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
        "computes in pieces" => computes_in_pieces(),
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
        "a thousand" => a_thousand(),
        "a long stream" => long_stream(),
        "kills at any moment" => kills(),
        "leaves everything behind" => leaves_everything(),
        "hash map" => hash_map(),
        "threads" => threads(),
        "a mebibyte" => a_mebibyte(),
        "system v" => system_v(),
        "random numbers" => random_numbers(),
        "clocks and ids" => clocks_and_ids(),
        "two readers" => two_readers(),
        "two writers" => two_writers(),
        "shared counter" => shared_counter(),
        "children die" => children_die(),
        "spawns" => spawns(),
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

/// A thousand children at a time, each waiting for a byte.
fn a_thousand() {
    let (mut read, mut write) = std::io::pipe().expect("a pipe");
    for number in 0..1000 {
        // SAFETY: one thread.
        if let ForkResult::Child = unsafe { fork() }.expect("a child") {
            read.read_exact(&mut [0]).expect("a byte");
            exit(number % 7);
        }
    }
    for _ in 0..1000 {
        write.write_all(b"x").expect("room");
    }
    let mut sum = 0;
    while let Ok(WaitStatus::Exited(_, status)) = wait() {
        sum += status;
    }
    println!("{sum}");
}

fn long_stream() {
    const PIECE: usize = 1 << 16;
    let (mut read, mut write) = std::io::pipe().expect("a pipe");
    // SAFETY: one thread.
    match unsafe { fork() }.expect("a child") {
        ForkResult::Child => {
            drop(write);
            let (mut piece, mut count) = (vec![0; PIECE], 0);
            while let Ok(got @ 1..) = read.read(&mut piece) {
                count += got;
            }
            println!("{count}");
            exit(0);
        }
        ForkResult::Parent { child } => {
            drop(read);
            for number in 0..1024 {
                write.write_all(&vec![number as u8; PIECE]).expect("a reader");
            }
            drop(write);
            waitpid(child, None).expect("a child");
        }
    }
}

/// Workers that write, read, fork, wait and sleep are killed one after the other, each at another moment.
fn kills() {
    let (mut read, mut write) = std::io::pipe().expect("a pipe");
    let mut dice: u32 = 12345;
    for _ in 0..20 {
        // SAFETY: one thread.
        let child = match unsafe { fork() }.expect("a child") {
            ForkResult::Parent { child } => child,
            ForkResult::Child => loop {
                let (mut inner_read, mut inner_write) = std::io::pipe().expect("a pipe");
                write.write_all(b"x").expect("room");
                read.read_exact(&mut [0]).expect("a byte");
                // SAFETY: one thread.
                match unsafe { fork() }.expect("a child") {
                    ForkResult::Child => {
                        inner_write.write_all(b"y").expect("room");
                        exit(0);
                    }
                    ForkResult::Parent { child } => {
                        inner_read.read_exact(&mut [0]).expect("a byte");
                        std::thread::sleep(Duration::from_micros(100));
                        waitpid(child, None).expect("a child");
                    }
                }
            },
        };
        dice = dice.wrapping_mul(1_103_515_245).wrapping_add(12345);
        for _ in 0..(dice >> 16) % 12 {
            std::thread::sleep(Duration::from_micros(30));
        }
        kill(child, Signal::SIGKILL).expect("it lives");
        waitpid(child, None).expect("a child");
    }
    println!("20 killed");
}

/// One object of each family, none of them removed, and a child that nobody waits for.
fn leaves_everything() {
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let object = shm_open("/left", OFlag::O_CREAT | OFlag::O_RDWR, mode).expect("an object");
    ftruncate(&object, 4096).expect("a size");
    let attributes = MqAttr::new(0, 4, 64, 0);
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_RDWR;
    let queue = mq_open(c"/left", flags, mode, Some(&attributes)).expect("a queue");
    mq_send(&queue, b"left", 1).expect("room");
    mkfifo("left", Mode::S_IRWXU).expect("a FIFO");
    // SAFETY: each takes numbers alone.
    let ids = unsafe {
        [
            libc::shmget(77, 4096, libc::IPC_CREAT | 0o600),
            libc::msgget(77, libc::IPC_CREAT | 0o600),
            libc::semget(77, 3, libc::IPC_CREAT | 0o600),
        ]
    };
    assert!(ids.iter().all(|id| *id >= 0), "{ids:?}");
    // SAFETY: one thread.
    if let ForkResult::Child = unsafe { fork() }.expect("a child") {
        exit(3);
    }
}

/// The order of a map is drawn by std from getrandom(2).
fn hash_map() {
    let map: HashMap<u32, u32> = (0..20).map(|key| (key, key * key)).collect();
    let (mut read, mut write) = std::io::pipe().expect("a pipe");
    for value in map.values() {
        write.write_all(&value.to_ne_bytes()).expect("room");
    }
    drop(write);
    let mut bytes = Vec::new();
    read.read_to_end(&mut bytes).expect("bytes");
    println!("{:?} {bytes:?}", map.keys().collect::<Vec<_>>());
}

fn threads() {
    let (read, write) = std::io::pipe().expect("a pipe");
    let threads: Vec<_> = (b'a'..b'e')
        .map(|letter| {
            let mut write = write.try_clone().expect("a descriptor");
            std::thread::spawn(move || {
                for _ in 0..3 {
                    write.write_all(&[letter]).expect("room");
                }
            })
        })
        .collect();
    drop(write);
    let text = std::io::read_to_string(read).expect("text");
    threads.into_iter().for_each(|thread| thread.join().expect("an end"));
    println!("{text}");
}

fn a_mebibyte() {
    let (mut read, mut write) = std::io::pipe().expect("a pipe");
    // SAFETY: one thread.
    if let ForkResult::Child = unsafe { fork() }.expect("a child") {
        drop(read);
        let text: Vec<u8> = (0..1 << 20).map(|at| (at % 251) as u8).collect();
        write.write_all(&text).expect("a reader");
        exit(0);
    }
    drop(write);
    let mut pieces = Vec::new();
    let mut piece = [0; 100_000];
    while let Ok(got @ 1..) = read.read(&mut piece) {
        pieces.push(got);
    }
    wait().expect("a child");
    println!("{pieces:?}");
}

fn system_v() {
    // SAFETY: numbers, and buffers that live through their calls.
    unsafe {
        let memory = libc::shmget(libc::IPC_PRIVATE, 4096, 0o600);
        let queue = libc::msgget(libc::IPC_PRIVATE, 0o600);
        let semaphores = libc::semget(libc::IPC_PRIVATE, 1, 0o600);
        let numbers = libc::shmat(memory, std::ptr::null(), 0).cast::<u32>();
        let mut step = libc::sembuf { sem_num: 0, sem_op: 1, sem_flg: 0 };
        if let ForkResult::Child = fork().expect("a child") {
            numbers.write_volatile(5);
            let message = [1u64, 42];
            libc::msgsnd(queue, message.as_ptr().cast(), 8, 0);
            libc::semop(semaphores, &raw mut step, 1);
            exit(0);
        }
        step.sem_op = -1;
        libc::semop(semaphores, &raw mut step, 1);
        let mut message = [0u64; 2];
        libc::msgrcv(queue, message.as_mut_ptr().cast(), 8, 0, 0);
        println!("{} {}", numbers.read_volatile(), message[1]);
        wait().expect("a child");
        libc::shmctl(memory, libc::IPC_RMID, std::ptr::null_mut());
        libc::msgctl(queue, libc::IPC_RMID, std::ptr::null_mut());
        libc::semctl(semaphores, 0, libc::IPC_RMID);
    }
}

fn random_numbers() {
    let mut bytes = [0u8; 16];
    // SAFETY: the buffer lives through the call.
    unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    // SAFETY: the vector's entry, sixteen bytes for as long as the process lives (getauxval(3)).
    let given = unsafe { *(libc::getauxval(libc::AT_RANDOM) as *const [u8; 16]) };
    let place = &raw const bytes as usize;
    let heap = Box::into_raw(Box::new(7)) as usize;
    let mut devices = [[0u8; 8]; 3];
    for (bytes, path) in devices.iter_mut().zip(["/dev/urandom", "/dev/random", "/dev/urandom"]) {
        File::open(path).and_then(|mut device| device.read_exact(bytes)).expect("a device");
    }
    println!("{bytes:?} {given:?} {devices:?}");
    let mapped = vec![1u8; 1 << 20];
    let (mapped, text) = (mapped.as_ptr() as usize, random_numbers as *const () as usize);
    // SAFETY: the entry is a number, and an address that is not followed.
    let vdso = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
    // SAFETY: zeros are a valid utsname, which the call fills in.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: the structure outlives the call.
    unsafe { libc::uname(&mut name) };
    println!("{place:x} {heap:x} {mapped:x} {text:x} {vdso:x} {:?}", name.nodename);
}

fn clocks_and_ids() {
    let start = std::time::Instant::now();
    let (pid, parent) = (std::process::id(), nix::unistd::getppid());
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    std::thread::sleep(Duration::from_millis(3));
    println!("{pid} {parent} {} {:?}", since.as_secs() > 0, start.elapsed());
}

fn two_readers() {
    let (mut read, mut write) = std::io::pipe().expect("a pipe");
    for name in ["one", "two"] {
        // SAFETY: one thread.
        if let ForkResult::Child = unsafe { fork() }.expect("a child") {
            drop(write);
            let mut byte = [0];
            let mut got = String::new();
            while let Ok(1) = read.read(&mut byte) {
                got.push(byte[0] as char);
            }
            println!("{name}: {got}");
            exit(0);
        }
    }
    for byte in b"abcdefgh" {
        write.write_all(&[*byte]).expect("room");
    }
    drop(write);
    while wait().is_ok() {}
}

fn two_writers() {
    let (mut read, mut write) = std::io::pipe().expect("a pipe");
    for letter in [b'a', b'b'] {
        // SAFETY: one thread.
        if let ForkResult::Child = unsafe { fork() }.expect("a child") {
            write.write_all(&vec![letter; 5000]).expect("a reader");
            write.write_all(&vec![letter.to_ascii_uppercase(); 70_000]).expect("a reader");
            exit(0);
        }
    }
    drop(write);
    let mut text = Vec::new();
    read.read_to_end(&mut text).expect("text");
    while wait().is_ok() {}
    let runs: Vec<String> =
        text.chunk_by(|a, b| a == b).map(|run| format!("{}{}", run[0] as char, run.len())).collect();
    println!("{}", runs.join(" "));
}

fn shared_counter() {
    let size = NonZeroUsize::new(4096).expect("a page");
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping.
    let counter = unsafe { nix::sys::mman::mmap_anonymous(None, size, access, MapFlags::MAP_SHARED) }
        .expect("a mapping")
        .cast::<u32>();
    for _ in 0..2 {
        // SAFETY: one thread.
        if let ForkResult::Child = unsafe { fork() }.expect("a child") {
            for _ in 0..20 {
                // SAFETY: mapped, and aligned; that others store there too is the point.
                unsafe { counter.write_volatile(counter.read_volatile() + 1) };
                std::thread::yield_now();
            }
            exit(0);
        }
    }
    while wait().is_ok() {}
    // SAFETY: as above.
    println!("{}", unsafe { counter.read_volatile() });
}

fn children_die() {
    for status in 1..5 {
        // SAFETY: one thread.
        if let ForkResult::Child = unsafe { fork() }.expect("a child") {
            nix::unistd::getppid();
            let _name = std::env::current_exe();
            exit(status);
        }
    }
    let mut order = Vec::new();
    while let Ok(WaitStatus::Exited(_, status)) = wait() {
        order.push(status);
    }
    println!("{order:?}");
}

fn spawns() {
    for program in ["true", "false", "no such program"] {
        let status = std::process::Command::new(program).status();
        println!("{:?}", status.map(|status| status.code()).map_err(|error| error.kind()));
    }
}

/// Half of the time that it may compute between two calls, a call, and again: without an end.
fn computes_in_pieces() {
    let (mut read, mut write) = std::io::pipe().expect("a pipe");
    let computed = || Duration::from(nix::time::clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("a clock"));
    loop {
        let start = computed();
        while computed() - start < Duration::from_millis(50) {
            std::hint::black_box((0..10_000_u64).fold(0, |sum, number| sum ^ number));
        }
        write.write_all(b"x").expect("room");
        read.read_exact(&mut [0]).expect("a byte");
    }
}
