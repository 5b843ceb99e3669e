//! By hand and by the processor: the same instruction on the same registers and memory, single-stepped in a traced child.

use std::collections::BTreeMap;

use iced_x86::Mnemonic;

use super::*;
use crate::model::Signal;
use crate::model::seed::split_mix;
use crate::sys::ptrace;
use crate::sys::wait::{Status, Stop, wait};

const BLOCK: usize = 64 << 10;
/// Where the instruction stands in the block, its operand, and the stack.
const CODE: u64 = 0x1000;
const OPERAND: u64 = 0x8000;
const STACK: u64 = 0xc000;
/// How much is compared around the last two.
const AROUND: u64 = 64;

/// A child that is stopped, and memory that we share with it.
struct Child {
    pid: i32,
    block: *mut u8,
}

impl Child {
    fn new() -> Self {
        let prot = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let block = unsafe { libc::mmap(std::ptr::null_mut(), BLOCK, prot, flags, -1, 0) };
        assert_ne!(block, libc::MAP_FAILED);
        // SAFETY: the child makes no call but pause(2), which is safe after a fork of a process with threads.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            loop {
                // SAFETY: pause(2) has no arguments.
                unsafe { libc::pause() };
            }
        }
        ptrace::seize(pid).expect("ptrace");
        ptrace::interrupt(pid).expect("ptrace");
        assert_eq!(wait(Some(pid), true), Ok(Some((pid, Status::Stopped(Stop::Trap)))));
        Self { pid, block: block.cast() }
    }

    fn base(&self) -> u64 {
        self.block as u64
    }

    fn bytes(&self, from: u64, len: u64) -> Vec<u8> {
        // SAFETY: callers stay inside of the block, and the child that shares it is stopped.
        (from..from + len).map(|at| unsafe { self.block.add(at as usize).read_volatile() }).collect()
    }

    fn put(&self, from: u64, bytes: &[u8]) {
        for (at, byte) in (from..).zip(bytes) {
            // SAFETY: as above; the block is writable.
            unsafe { self.block.add(at as usize).write_volatile(*byte) };
        }
    }

    /// Around the operand and around the stack's end.
    fn windows(&self) -> [Vec<u8>; 2] {
        [OPERAND, STACK].map(|at| self.bytes(at - AROUND, 2 * AROUND))
    }

    fn step(&self, registers: &mut Registers) -> Registers {
        ptrace::set_registers(self.pid, registers).expect("ptrace");
        ptrace::step(self.pid, None).expect("ptrace");
        let status = wait(Some(self.pid), true);
        assert_eq!(status, Ok(Some((self.pid, Status::Stopped(Stop::Signal(Signal::TRAP))))));
        ptrace::registers(self.pid).expect("ptrace")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        crate::sys::process::kill(self.pid, Signal::KILL).expect("it is there");
        // It stops once more at its end.
        while let Ok(Some((_, Status::Stopped(_)))) = wait(Some(self.pid), true) {
            let _gone = ptrace::cont(self.pid, None);
        }
        // SAFETY: the mapping is ours, and nothing borrows from it.
        unsafe { libc::munmap(self.block.cast(), BLOCK) };
    }
}

/// The child's memory, as an instruction sees it that is carried out here.
struct Shared<'a>(&'a Child);

impl Memory for Shared<'_> {
    fn load(&mut self, addr: u64, len: usize) -> Option<u64> {
        let from = addr.checked_sub(self.0.base()).filter(|from| from + 8 <= BLOCK as u64)?;
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(&self.0.bytes(from, len as u64));
        Some(u64::from_le_bytes(bytes))
    }

    fn store(&mut self, addr: u64, value: u64, len: usize) -> Option<()> {
        let from = addr.checked_sub(self.0.base()).filter(|from| from + 8 <= BLOCK as u64)?;
        self.0.put(from, &value.to_le_bytes()[..len]);
        Some(())
    }
}

struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = split_mix(self.0);
        self.0
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.next().is_multiple_of(many)
    }

    /// A number at an edge of some width, or any.
    fn number(&mut self) -> u64 {
        let edge = 1u64 << [0, 7, 8, 15, 16, 31, 32, 63][(self.next() % 8) as usize];
        match self.next() % 6 {
            0 => edge,
            1 => edge.wrapping_sub(1),
            2 => edge.wrapping_neg(),
            3 => self.next() % 70,
            4 => self.next() & (USER_END - 1),
            _ => self.next(),
        }
    }

    /// Bytes that may begin with an instruction of one of the two oldest maps of opcodes.
    fn code(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (prefix, many) in [(0x66, 5), (0xf0, 12), (0x3e, 40), (0xf3, 40), (0x67, 40), (0x64, 40)] {
            if self.one_in(many) {
                bytes.push(prefix);
            }
        }
        if self.one_in(2) {
            bytes.push(0x40 | (self.next() % 16) as u8);
        }
        if self.one_in(3) {
            bytes.push(0x0f);
        }
        bytes.extend(self.next().to_le_bytes());
        bytes.extend(self.next().to_le_bytes());
        bytes.truncate(15);
        bytes
    }
}

/// Puts the memory operand where it is to be; false where that cannot be done.
fn aim(code: &Decoded, bytes: &mut [u8], registers: &mut Registers, target: u64) -> bool {
    let (base, index) = (code.memory_base(), code.memory_index());
    let addr =
        |registers: &Registers| code.virtual_address(memory_operand(code)?, 0, |it, _, _| value_of(registers, it));
    let Some(distance) = addr(registers).map(|addr| target.wrapping_sub(addr)) else { return false };
    if base.is_gpr64() {
        let value = value_of(registers, base).expect("a general register");
        set(registers, base, value.wrapping_add(distance));
    } else if index.is_gpr64() && code.memory_index_scale() == 1 {
        let value = value_of(registers, index).expect("a general register");
        set(registers, index, value.wrapping_add(distance));
    } else if base == Register::RIP || index == Register::None {
        // The displacement stands last, but for an immediate.
        let displacement = code.memory_displacement64();
        let from = if base == Register::RIP { displacement.wrapping_sub(code.next_ip()) } else { displacement };
        let to = from.wrapping_add(distance);
        let width = if base == Register::RIP { 4 } else { 8 };
        let (old, new) = (from.to_le_bytes(), to.to_le_bytes());
        let found = (0..bytes.len() - width).find(|at| bytes[*at..at + width] == old[..width]);
        let Some(at) = found else { return false };
        bytes[at..at + width].copy_from_slice(&new[..width]);
        let again = Decoder::with_ip(64, bytes, code.ip(), DecoderOptions::NONE).decode();
        return again.code() == code.code() && again.memory_displacement64() == displacement.wrapping_add(distance);
    }
    addr(registers) == Some(target)
}

fn memory_operand(code: &Decoded) -> Option<u32> {
    (0..code.op_count()).find(|op| code.op_kind(*op) == OpKind::Memory)
}

/// The flags that the manual leaves undefined.
fn undefined(code: &Decoded, registers: &Registers) -> u64 {
    match code.mnemonic() {
        Mnemonic::Shl | Mnemonic::Sal | Mnemonic::Shr | Mnemonic::Sar => {
            let count = if code.op1_kind() == OpKind::Register { registers.0.rcx } else { code.immediate(1) };
            let size =
                if code.op0_kind() == OpKind::Memory { code.memory_size().size() } else { code.op0_register().size() };
            match count & if size == 8 { 63 } else { 31 } {
                0 => 0,
                1 => ADJUST,
                _ => ADJUST | OVERFLOW,
            }
        }
        Mnemonic::And | Mnemonic::Or | Mnemonic::Xor | Mnemonic::Test => ADJUST,
        Mnemonic::Mul | Mnemonic::Imul => SIGN | ZERO | ADJUST | PARITY,
        Mnemonic::Div | Mnemonic::Idiv => ALL,
        Mnemonic::Bt => OVERFLOW | SIGN | ADJUST | PARITY,
        _ => 0,
    }
}

/// All kinds of work, so that none is left out.
const KINDS: [Work; 40] = [
    Work::Nothing,
    Work::Move,
    Work::MoveSigned,
    Work::Address,
    Work::Exchange,
    Work::Add { carry: false },
    Work::Add { carry: true },
    Work::Subtract { borrow: false },
    Work::Subtract { borrow: true },
    Work::Compare,
    Work::Increment,
    Work::Decrement,
    Work::Negate,
    Work::Not,
    Work::And,
    Work::Or,
    Work::Xor,
    Work::Test,
    Work::ShiftLeft,
    Work::ShiftRight,
    Work::ShiftSigned,
    Work::Multiply,
    Work::MultiplyWide { signed: false },
    Work::MultiplyWide { signed: true },
    Work::Divide { signed: false },
    Work::Divide { signed: true },
    Work::BitTest,
    Work::ExchangeAdd,
    Work::CompareExchange,
    Work::Widen,
    Work::SignFill,
    Work::SetIf,
    Work::MoveIf,
    Work::Jump,
    Work::JumpIf,
    Work::Call,
    Work::Return,
    Work::Push,
    Work::Pop,
    Work::Leave,
];

#[test]
fn by_hand_is_what_the_processor_does() {
    const CASES: u64 = 200_000;
    const EACH: u32 = 20;
    let child = Child::new();
    let mut first = ptrace::registers(child.pid).expect("ptrace").settled();
    first.0.orig_rax = u64::MAX;
    let mut draws = Draws(3);
    let mut compared: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..CASES {
        let mut bytes = draws.code();
        let at = child.base() + CODE;
        let mut registers = first;
        for register in [
            Register::RAX,
            Register::RBX,
            Register::RCX,
            Register::RDX,
            Register::RSI,
            Register::RDI,
            Register::RBP,
            Register::R8,
            Register::R9,
            Register::R10,
            Register::R11,
            Register::R12,
            Register::R13,
            Register::R14,
            Register::R15,
        ] {
            set(&mut registers, register, draws.number());
        }
        if draws.one_in(2) {
            // What can be divided.
            registers.0.rdx = draws.next() % 3;
        }
        registers.0.rip = at;
        registers.0.rsp = child.base() + STACK;
        if draws.one_in(2) {
            registers.0.rbp = child.base() + STACK - 8;
        }
        registers.0.eflags = registers.0.eflags & !ALL | draws.next() & ALL;
        let Some(known) = ByHand::decode(&bytes, at) else { continue };
        if memory_operand(&known.code).is_some()
            && !aim(&known.code, &mut bytes, &mut registers, child.base() + OPERAND)
        {
            continue;
        }
        let known = ByHand::decode(&bytes, at).expect("it was one before");
        for place in [OPERAND, STACK] {
            for word in (place - AROUND..place + AROUND).step_by(8) {
                child.put(word, &draws.number().to_le_bytes());
            }
        }
        child.put(CODE, &bytes);
        let before = child.windows();
        let mut by_hand = registers;
        if known.run(&mut by_hand, &mut Shared(&child)).is_none() {
            assert_eq!(child.windows(), before, "{:x?} refused and stored", known.code);
            continue;
        }
        let stored = child.windows();
        for (place, bytes) in [OPERAND, STACK].into_iter().zip(&before) {
            child.put(place - AROUND, bytes);
        }
        let stepped = child.step(&mut registers.clone());
        let told = || {
            format!("{bytes:02x?} {:?}\nwith {registers:x?}\nby hand {by_hand:x?}\nstepped {stepped:x?}", known.code)
        };
        assert_eq!(child.windows(), stored, "memory of {}", told());
        let flags = ALL & !undefined(&known.code, &registers);
        let seen = |mut it: Registers| {
            it.0.eflags &= flags;
            format!("{it:x?}")
        };
        assert_eq!(seen(by_hand), seen(stepped), "{}", told());
        let memory = if memory_operand(&known.code).is_some() { " memory" } else { "" };
        *compared.entry(format!("{:?}{memory}", known.work)).or_default() += 1;
    }
    for work in KINDS {
        let times = compared.iter().filter(|(name, _)| name.trim_end_matches(" memory") == format!("{work:?}"));
        let times: u32 = times.map(|(_, times)| times).sum();
        assert!(times >= EACH, "{work:?} was compared {times} times: {compared:?}");
    }
}
