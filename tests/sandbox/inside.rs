//! What the program in the box does, by name; it says what it finds on standard output.

use std::ffi::CString;
use std::fs;
use std::io::{Read, Write};
use std::process::ExitCode;

use ipc_grade::sys::process::{Side, fork};
use nix::fcntl::OFlag;
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open};
use nix::sys::mman::shm_open;
use nix::sys::stat::Mode;

/// Runs one of them.
pub(crate) fn run(name: &str, args: &[String]) -> ExitCode {
    match name {
        "nothing" => {}
        "pids" => println!("{} {}", std::process::id(), std::os::unix::process::parent_id()),
        "who" => who(),
        "look" => args.iter().for_each(|path| println!("{path} {}", fs::exists(path).unwrap_or(false))),
        "list" => list(&args[0]),
        "write" => args.iter().for_each(|path| println!("{path} {}", outcome(fs::write(path, "x")))),
        "names" => names(),
        "pry" => pry(),
        "network" => network(),
        "fork bomb" => fork_bomb(),
        "fill" => fill(),
        "hold" => hold(args[0].parse().expect("a number")),
        "echo" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).expect("text on standard input");
            print!("{text}");
        }
        "stay" => loop {
            nix::unistd::pause();
        },
        other => panic!("nothing is called {other}"),
    }
    std::io::stdout().flush().expect("standard output takes it");
    ExitCode::SUCCESS
}

fn outcome<T>(result: std::io::Result<T>) -> String {
    result.map_or_else(|error| error.kind().to_string(), |_| "done".to_owned())
}

fn list(folder: &str) {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    println!("{}", names.join(" "));
}

fn who() {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    println!("{} {}", nix::unistd::getuid(), nix::unistd::getgid());
    for name in ["CapPrm", "CapEff", "NoNewPrivs", "SigIgn", "SigBlk", "Threads"] {
        println!("{}", line(name));
    }
    let mut env: Vec<_> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
    env.sort();
    println!("{}", env.join(" "));
    println!("{}", std::env::current_dir().expect("a folder").display());
    println!("{}", std::env::args().next().expect("a name"));
    // One of them is this listing's own.
    println!("{} descriptors", fs::read_dir("/proc/self/fd").expect("/proc").count() - 1);
    println!("{:#x}", nix::sys::personality::get().expect("a personality").bits());
}

fn names() {
    let name = CString::new("/same").expect("no zero byte");
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR;
    println!("shm {:?}", shm_open(name.as_c_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR).map(drop));
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
    let attributes = MqAttr::new(0, 4, 64, 0);
    let queue = mq_open(name.as_c_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&attributes));
    println!("queue {:?}", queue.map(drop));
    println!("fifo {:?}", nix::unistd::mkfifo("same", Mode::S_IRUSR));
    println!("tmp {}", outcome(fs::File::create_new("/tmp/same")));
    list("/dev/shm");
    list("/dev/mqueue");
    std::io::stdout().flush().expect("standard output takes it");
    loop {
        nix::unistd::pause();
    }
}

/// Tries to look into every other process.
fn pry() {
    let own = std::process::id().to_string();
    for entry in fs::read_dir("/proc").expect("/proc") {
        let pid = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if pid == own || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        for file in ["mem", "environ", "maps"] {
            println!("{pid} {file} {}", outcome(fs::read(format!("/proc/{pid}/{file}"))));
        }
        for link in ["fd/0", "root", "exe"] {
            println!("{pid} {link} {}", outcome(fs::read_link(format!("/proc/{pid}/{link}"))));
        }
    }
    println!("finished");
}

fn network() {
    let interfaces = fs::read_to_string("/proc/self/net/dev").expect("/proc");
    let names: Vec<_> = interfaces.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
    println!("{}", names.join(" "));
    println!("{}", outcome(std::net::TcpStream::connect("127.0.0.1:1")));
    println!("{}", outcome(std::net::UdpSocket::bind("127.0.0.1:0").and_then(|s| s.send_to(b"x", "127.0.0.1:9"))));
}

/// Forks until it may not, and its children with it.
#[allow(unsafe_code, reason = "a test program forks")]
fn fork_bomb() {
    println!("begun");
    std::io::stdout().flush().expect("standard output takes it");
    loop {
        // SAFETY: one thread; the child does the same as its parent.
        if unsafe { nix::unistd::fork() }.is_err() {
            print!("full ");
            std::io::stdout().flush().expect("standard output takes it");
            nix::unistd::pause();
        }
    }
}

/// Children that hold 200 MiB each until all of them do.
fn hold(children: usize) {
    let (mut all_hold, hold) = std::io::pipe().expect("a pipe");
    let (mut until, end) = std::io::pipe().expect("a pipe");
    for _ in 0..children {
        if let Side::Child = fork().expect("a child") {
            drop((end, all_hold));
            let block = vec![7_u8; 200 << 20];
            drop(hold);
            let _ended = until.read(&mut [0]);
            std::process::exit(std::hint::black_box(block)[0].into());
        }
    }
    drop((hold, until));
    let _all = all_hold.read(&mut [0]);
    println!("held");
    drop(end);
}

fn fill() {
    let block = vec![7; 1 << 20];
    for place in ["/work/a", "/tmp/b", "/dev/shm/c"] {
        let mut written = 0;
        let mut file = fs::File::create(place).expect("a new file");
        while written < 64 && file.write_all(&block).is_ok() {
            written += 1;
        }
        println!("{place} {written}");
    }
}
