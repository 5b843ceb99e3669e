//! Instructions that are carried out by hand: what they do to registers, flags and memory (Intel 64 and IA-32 Architectures
//! Software Developer's Manual, volume 2). They are those of unoptimised code, without vectors and floating point.
//!
//! Flags that the manual leaves undefined are as they were, or 0: no compiler's code looks at them.

mod work;

use iced_x86::{ConditionCode, Decoder, DecoderOptions, Instruction as Decoded, Mnemonic, OpKind, Register};

use self::work::{Work, is_ordinary_memory, work};
use super::super::Memory;
use super::Registers;
use super::instruction::{set, value_of};

/// An instruction whose effect is known in full.
#[derive(Debug)]
pub struct ByHand {
    code: Decoded,
    work: Work,
}

const CARRY: u64 = 1;
const PARITY: u64 = 1 << 2;
const ADJUST: u64 = 1 << 4;
const ZERO: u64 = 1 << 6;
const SIGN: u64 = 1 << 7;
const OVERFLOW: u64 = 1 << 11;
const ALL: u64 = CARRY | PARITY | ADJUST | ZERO | SIGN | OVERFLOW;
/// The processor clears it with each instruction that it completes (volume 3, 18.3.1.1).
const RESUME: u64 = 1 << 16;

/// Flags under which an instruction does more than the manual's page of it says: a trap after it, strings downwards,
/// faults on addresses that are not aligned.
const SPECIAL: u64 = 1 << 8 | 1 << 10 | 1 << 18;
/// The selector of 64-bit user code (arch/x86/include/asm/segment.h, __USER_CS).
const USER_CODE: u64 = 0x33;
/// Addresses from here on are not the program's; a jump to most of them fails at the jump.
const USER_END: u64 = 1 << 47;

impl Registers {
    /// Whether instructions do what they do by themselves: 64-bit code, and no flag that makes them special.
    pub fn are_ordinary(&self) -> bool {
        self.0.cs == USER_CODE && self.0.eflags & SPECIAL == 0
    }
}

impl ByHand {
    /// The instruction that these bytes begin with; none where it is not one of those that are known.
    pub fn decode(bytes: &[u8], at: u64) -> Option<Self> {
        let code = Decoder::with_ip(64, bytes, at, DecoderOptions::NONE).decode();
        let work = work(&code)?;
        let ordinary = |op| match code.op_kind(op) {
            OpKind::Register => code.op_register(op).is_gpr(),
            OpKind::Memory => is_ordinary_memory(&code),
            OpKind::NearBranch64
            | OpKind::Immediate8
            | OpKind::Immediate16
            | OpKind::Immediate32
            | OpKind::Immediate64
            | OpKind::Immediate8to16
            | OpKind::Immediate8to32
            | OpKind::Immediate8to64
            | OpKind::Immediate32to64 => true,
            _ => false,
        };
        // What branches with another size of operand do is not the same on all processors.
        let branches = matches!(work, Work::Jump | Work::JumpIf | Work::Call | Work::Return);
        let mut prefixes = bytes.iter().take_while(|byte| PREFIXES.contains(byte) || **byte & 0xf0 == REX);
        let odd =
            code.has_rep_prefix() || code.has_repne_prefix() || branches && prefixes.any(|it| *it == OPERAND_SIZE);
        let plain = !odd && (0..code.op_count()).all(ordinary);
        (plain || work == Work::Nothing).then_some(Self { code, work })
    }

    /// How many bytes it has.
    pub fn length(&self) -> usize {
        self.code.len()
    }

    /// Carries it out. None where memory refuses, or the processor would raise an exception: nothing has changed then.
    pub fn run(&self, registers: &mut Registers, memory: &mut impl Memory) -> Option<()> {
        let mut after = *registers;
        after.0.rip = self.code.next_ip();
        after.0.eflags &= !RESUME;
        Run { code: &self.code, r: &mut after, memory }.run(self.work)?;
        *registers = after;
        Some(())
    }
}

/// What may stand before an opcode: segments, sizes of operand and address, lock and repetitions; and REX, which has a
/// nibble of its own.
const PREFIXES: [u8; 11] = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, OPERAND_SIZE, 0x67, 0xf0, 0xf2, 0xf3];
const OPERAND_SIZE: u8 = 0x66;
const REX: u8 = 0x40;

/// A number of so many bytes, at most eight.
fn low(value: u64, size: usize) -> u64 {
    if size >= 8 { value } else { value & ((1 << (8 * size)) - 1) }
}

fn signed(value: u64, size: usize) -> i64 {
    let unused = 64 - 8 * size as u32;
    (value << unused) as i64 >> unused
}

fn is_negative(value: u64, size: usize) -> bool {
    value >> (8 * size - 1) & 1 == 1
}

/// One instruction under way, on registers that are thrown away where it fails.
struct Run<'a, M: Memory> {
    code: &'a Decoded,
    r: &'a mut Registers,
    memory: &'a mut M,
}

impl<M: Memory> Run<'_, M> {
    fn run(&mut self, work: Work) -> Option<()> {
        let size = self.size(0);
        match work {
            Work::Nothing => {}
            Work::Move => {
                let value = self.get(1)?;
                self.put(0, value)?;
            }
            Work::MoveSigned => {
                let value = signed(self.get(1)?, self.size(1)) as u64;
                self.put(0, value)?;
            }
            Work::Address => {
                let addr = self.addr(1)?;
                self.put(0, addr)?;
            }
            Work::Exchange => {
                let (one, other) = (self.get(0)?, self.get(1)?);
                self.put_both(other, one)?;
            }
            Work::Add { carry } => {
                let sum = self.add(self.carry(carry))?;
                self.put(0, sum)?;
            }
            Work::ExchangeAdd => {
                let before = self.get(0)?;
                let sum = self.add(0)?;
                self.put_both(sum, before)?;
            }
            Work::Subtract { borrow } => {
                let (one, other) = (self.get(0)?, self.get(1)?);
                let rest = self.subtract(one, other, self.carry(borrow), size);
                self.put(0, rest)?;
            }
            Work::Compare => {
                let (one, other) = (self.get(0)?, self.get(1)?);
                self.subtract(one, other, 0, size);
            }
            Work::CompareExchange => self.compare_exchange(size)?,
            Work::Increment | Work::Decrement => {
                let (value, carry) = (self.get(0)?, self.r.0.eflags & CARRY);
                let after = if work == Work::Increment {
                    self.sum(value, 1, 0, size)
                } else {
                    self.subtract(value, 1, 0, size)
                };
                self.flags(CARRY, carry);
                self.put(0, after)?;
            }
            Work::Negate => {
                let value = self.get(0)?;
                let after = self.subtract(0, value, 0, size);
                self.put(0, after)?;
            }
            Work::Not => {
                let value = self.get(0)?;
                self.put(0, !value)?;
            }
            Work::And | Work::Or | Work::Xor | Work::Test => {
                let (one, other) = (self.get(0)?, self.get(1)?);
                let after = match work {
                    Work::Or => one | other,
                    Work::Xor => one ^ other,
                    _ => one & other,
                };
                self.flags(ALL, of_result(low(after, size), size));
                if work != Work::Test {
                    self.put(0, after)?;
                }
            }
            Work::ShiftLeft | Work::ShiftRight | Work::ShiftSigned => self.shift(work, size)?,
            Work::Multiply => {
                let (one, other) = if self.code.op_count() == 3 { (1, 2) } else { (0, 1) };
                let (one, other) = (signed(self.get(one)?, size), signed(low(self.get(other)?, size), size));
                let product = i128::from(one) * i128::from(other);
                self.overflows(i128::from(signed(product as u64, size)) != product);
                self.put(0, product as u64)?;
            }
            Work::MultiplyWide { signed } => self.multiply(signed, size)?,
            Work::Divide { signed } => self.divide(signed, size)?,
            Work::BitTest => {
                let (value, bit) = (self.get(0)?, self.get(1)? % (8 * size as u64));
                self.flags(CARRY, value >> bit & 1);
            }
            Work::Widen => {
                let (from, to) = match self.code.mnemonic() {
                    Mnemonic::Cbw => (Register::AL, Register::AX),
                    Mnemonic::Cwde => (Register::AX, Register::EAX),
                    _ => (Register::EAX, Register::RAX),
                };
                set(self.r, to, signed(value_of(self.r, from)?, from.size()) as u64);
            }
            Work::SignFill => {
                let (from, to) = match self.code.mnemonic() {
                    Mnemonic::Cwd => (Register::AX, Register::DX),
                    Mnemonic::Cdq => (Register::EAX, Register::EDX),
                    _ => (Register::RAX, Register::RDX),
                };
                let negative = is_negative(value_of(self.r, from)?, from.size());
                set(self.r, to, if negative { u64::MAX } else { 0 });
            }
            Work::SetIf => {
                let holds = self.holds()?;
                self.put(0, u64::from(holds))?;
            }
            Work::MoveIf => {
                // The source is read in any case, and 32 bits clear the upper half.
                let (before, value) = (self.get(0)?, self.get(1)?);
                let holds = self.holds()?;
                self.put(0, if holds { value } else { before })?;
            }
            Work::Jump => {
                let to = self.get(0)?;
                self.go(to)?;
            }
            Work::JumpIf => {
                if self.holds()? {
                    let to = self.get(0)?;
                    self.go(to)?;
                }
            }
            Work::Call => {
                let (to, next) = (self.get(0)?, self.r.0.rip);
                self.go(to)?;
                self.push(next)?;
            }
            Work::Return => {
                let to = self.pop()?;
                let arguments = if self.code.op_count() == 1 { self.get(0)? } else { 0 };
                self.r.0.rsp = self.r.0.rsp.wrapping_add(arguments);
                self.go(to)?;
            }
            Work::Push => {
                let value = self.get(0)?;
                self.push(value)?;
            }
            Work::Pop => {
                let value = self.pop()?;
                self.put(0, value)?;
            }
            Work::Leave => {
                self.r.0.rsp = self.r.0.rbp;
                self.r.0.rbp = self.pop()?;
            }
        }
        Some(())
    }

    /// The size of an operand in bytes; of an immediate one that of the first.
    fn size(&self, op: u32) -> usize {
        match self.code.op_kind(op) {
            OpKind::Register => self.code.op_register(op).size(),
            OpKind::Memory => self.code.memory_size().size(),
            _ => 8,
        }
    }

    fn addr(&self, op: u32) -> Option<u64> {
        self.code.virtual_address(op, 0, |register, _, _| value_of(self.r, register))
    }

    fn get(&mut self, op: u32) -> Option<u64> {
        match self.code.op_kind(op) {
            OpKind::Register => value_of(self.r, self.code.op_register(op)),
            OpKind::Memory => {
                let addr = self.addr(op)?;
                self.memory.load(addr, self.size(op))
            }
            OpKind::NearBranch64 => Some(self.code.near_branch64()),
            // Immediates are as wide as the first operand, once their sign is extended.
            _ => Some(low(self.code.immediate(op), if self.code.op_count() > 1 { self.size(0) } else { 8 })),
        }
    }

    fn put(&mut self, op: u32, value: u64) -> Option<()> {
        if self.code.op_kind(op) == OpKind::Memory {
            let addr = self.addr(op)?;
            let size = self.size(op);
            return self.memory.store(addr, low(value, size), size);
        }
        set(self.r, self.code.op_register(op), value);
        Some(())
    }

    /// Memory first, which the second operand may lead to; of one register that is both the first value stays.
    fn put_both(&mut self, first: u64, second: u64) -> Option<()> {
        if self.code.op0_kind() == OpKind::Memory {
            self.put(0, first)?;
            return self.put(1, second);
        }
        self.put(1, second)?;
        self.put(0, first)
    }

    fn push(&mut self, value: u64) -> Option<()> {
        self.r.0.rsp = self.r.0.rsp.wrapping_sub(8);
        self.memory.store(self.r.0.rsp, value, 8)
    }

    fn pop(&mut self) -> Option<u64> {
        let value = self.memory.load(self.r.0.rsp, 8)?;
        self.r.0.rsp = self.r.0.rsp.wrapping_add(8);
        Some(value)
    }

    fn go(&mut self, to: u64) -> Option<()> {
        self.r.0.rip = to;
        (to < USER_END).then_some(())
    }

    /// Gives these flags these values.
    fn flags(&mut self, which: u64, values: u64) {
        self.r.0.eflags = self.r.0.eflags & !which | values & which;
    }

    fn carry(&self, counts: bool) -> u64 {
        if counts { self.r.0.eflags & CARRY } else { 0 }
    }

    /// What multiplications say of their product.
    fn overflows(&mut self, overflows: bool) {
        self.flags(CARRY | OVERFLOW, if overflows { CARRY | OVERFLOW } else { 0 });
    }

    fn add(&mut self, carry: u64) -> Option<u64> {
        let (one, other) = (self.get(0)?, self.get(1)?);
        Some(self.sum(one, other, carry, self.size(0)))
    }

    fn sum(&mut self, one: u64, other: u64, carry: u64, size: usize) -> u64 {
        let whole = u128::from(one) + u128::from(other) + u128::from(carry);
        let sum = low(whole as u64, size);
        let mut flags = of_result(sum, size) | (one ^ other ^ sum) & ADJUST;
        flags |= if whole >> (8 * size) != 0 { CARRY } else { 0 };
        flags |= if is_negative((one ^ sum) & (other ^ sum), size) { OVERFLOW } else { 0 };
        self.flags(ALL, flags);
        sum
    }

    fn subtract(&mut self, one: u64, other: u64, borrow: u64, size: usize) -> u64 {
        let rest = low(one.wrapping_sub(other).wrapping_sub(borrow), size);
        let mut flags = of_result(rest, size) | (one ^ other ^ rest) & ADJUST;
        flags |= if u128::from(one) < u128::from(other) + u128::from(borrow) { CARRY } else { 0 };
        flags |= if is_negative((one ^ other) & (one ^ rest), size) { OVERFLOW } else { 0 };
        self.flags(ALL, flags);
        rest
    }

    fn compare_exchange(&mut self, size: usize) -> Option<()> {
        let accumulator = match size {
            1 => Register::AL,
            2 => Register::AX,
            4 => Register::EAX,
            _ => Register::RAX,
        };
        let (there, new, wanted) = (self.get(0)?, self.get(1)?, value_of(self.r, accumulator)?);
        self.subtract(wanted, there, 0, size);
        if wanted == there {
            return self.put(0, new);
        }
        // Memory is written in any case, so it must be possible.
        if self.code.op0_kind() == OpKind::Memory {
            self.put(0, there)?;
        }
        set(self.r, accumulator, there);
        Some(())
    }

    fn shift(&mut self, work: Work, size: usize) -> Option<()> {
        let (value, bits) = (self.get(0)?, 8 * size as u64);
        let count = self.get(1)? & if size == 8 { 63 } else { 31 };
        if count >= bits {
            // Shorter operands can be shifted out, and what is carried then is not told.
            return None;
        }
        if count == 0 {
            return self.put(0, value);
        }
        let (after, carry, overflow) = match work {
            Work::ShiftLeft => {
                let (after, carry) = (low(value << count, size), value >> (bits - count) & 1);
                (after, carry, is_negative(after, size) != (carry == 1))
            }
            Work::ShiftRight => (value >> count, value >> (count - 1) & 1, is_negative(value, size)),
            _ => {
                let value = signed(value, size);
                (low((value >> count) as u64, size), (value >> (count - 1) & 1) as u64, false)
            }
        };
        self.flags(ALL, of_result(after, size) | carry | if overflow { OVERFLOW } else { 0 });
        self.put(0, after)
    }

    /// The upper and the lower half of products and dividends.
    fn halves(size: usize) -> Option<(Register, Register)> {
        match size {
            2 => Some((Register::DX, Register::AX)),
            4 => Some((Register::EDX, Register::EAX)),
            8 => Some((Register::RDX, Register::RAX)),
            _ => None,
        }
    }

    fn multiply(&mut self, is_signed: bool, size: usize) -> Option<()> {
        let (upper, lower) = Self::halves(size)?;
        let (one, other) = (value_of(self.r, lower)?, self.get(0)?);
        let product = if is_signed {
            (i128::from(signed(one, size)) * i128::from(signed(other, size))) as u128
        } else {
            u128::from(one) * u128::from(other)
        };
        let (below, above) = (low(product as u64, size), low((product >> (8 * size)) as u64, size));
        let filled = if is_signed && is_negative(below, size) { low(u64::MAX, size) } else { 0 };
        self.overflows(above != filled);
        set(self.r, lower, below);
        set(self.r, upper, above);
        Some(())
    }

    fn divide(&mut self, is_signed: bool, size: usize) -> Option<()> {
        let (upper, lower) = Self::halves(size)?;
        let divisor = self.get(0)?;
        let whole = u128::from(value_of(self.r, upper)?) << (8 * size) | u128::from(value_of(self.r, lower)?);
        let (quotient, rest) = if is_signed {
            let unused = 128 - 16 * size as u32;
            let (whole, divisor) = ((whole << unused) as i128 >> unused, i128::from(signed(divisor, size)));
            let quotient = whole.checked_div(divisor)?;
            if i128::from(signed(quotient as u64, size)) != quotient {
                return None;
            }
            (quotient as u64, (whole % divisor) as u64)
        } else {
            let quotient = whole.checked_div(u128::from(divisor))?;
            if quotient != u128::from(low(quotient as u64, size)) {
                return None;
            }
            (quotient as u64, (whole % u128::from(divisor)) as u64)
        };
        set(self.r, lower, quotient);
        set(self.r, upper, rest);
        Some(())
    }

    /// Whether the condition of the instruction holds (volume 1, appendix B).
    fn holds(&self) -> Option<bool> {
        let is = |flag: u64| self.r.0.eflags & flag != 0;
        let less = is(SIGN) != is(OVERFLOW);
        Some(match self.code.condition_code() {
            ConditionCode::o => is(OVERFLOW),
            ConditionCode::no => !is(OVERFLOW),
            ConditionCode::b => is(CARRY),
            ConditionCode::ae => !is(CARRY),
            ConditionCode::e => is(ZERO),
            ConditionCode::ne => !is(ZERO),
            ConditionCode::be => is(CARRY | ZERO),
            ConditionCode::a => !is(CARRY | ZERO),
            ConditionCode::s => is(SIGN),
            ConditionCode::ns => !is(SIGN),
            ConditionCode::p => is(PARITY),
            ConditionCode::np => !is(PARITY),
            ConditionCode::l => less,
            ConditionCode::ge => !less,
            ConditionCode::le => is(ZERO) || less,
            ConditionCode::g => !is(ZERO) && !less,
            ConditionCode::None => return None,
        })
    }
}

/// The flags that tell of a result alone.
fn of_result(result: u64, size: usize) -> u64 {
    let mut flags = if (result as u8).count_ones().is_multiple_of(2) { PARITY } else { 0 };
    flags |= if result == 0 { ZERO } else { 0 };
    flags | if is_negative(result, size) { SIGN } else { 0 }
}

#[cfg(test)]
mod tests;
