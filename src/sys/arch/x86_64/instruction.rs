//! Instructions that access memory: what they touch, the simple ones carried out by hand, and the others pointed
//! elsewhere for one step (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2).

use iced_x86::{
    Code, Decoder, DecoderOptions, Instruction as Decoded, InstructionInfoFactory, Mnemonic, OpAccess, OpKind,
    Register, UsedMemory,
};

use super::super::Touch;
use super::Registers;

/// One instruction at one place, with all that is asked of it for each access.
#[derive(Debug)]
pub struct Instruction {
    code: Decoded,
    memory: Vec<UsedMemory>,
    simple: Option<Simple>,
    /// The register by which its one memory operand can be moved elsewhere, the factor with which it counts, and
    /// whether the instruction gives it another value.
    handle: Option<(Register, u64, bool)>,
}

/// What a simple instruction does, so that it need not be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Simple {
    /// `mov`, `movzx`, `movsx` from memory.
    Load,
    /// `mov` to memory.
    Store,
    /// `rep movs`, upwards.
    Copy,
    /// `rep stos`, upwards.
    Fill,
}

/// The direction flag: string instructions go downwards.
const DIRECTION: u64 = 1 << 10;

impl Instruction {
    /// The instruction that these bytes begin with; none where it is no instruction, or touches no memory.
    pub fn decode(bytes: &[u8], at: u64) -> Option<Self> {
        let code = Decoder::with_ip(64, bytes, at, DecoderOptions::NONE).decode();
        if code.is_invalid() {
            return None;
        }
        let mut factory = InstructionInfoFactory::new();
        let info = factory.info(&code);
        let memory: Vec<UsedMemory> =
            info.used_memory().iter().filter(|used| used.access() != OpAccess::NoMemAccess).copied().collect();
        if memory.is_empty() {
            return None;
        }
        let access: Vec<OpAccess> = (0..code.op_count()).map(|op| info.op_access(op)).collect();
        let handle = handle(&code, &memory, &access);
        Some(Self { simple: simple(&code), handle, code, memory })
    }

    /// Where the next one stands.
    pub fn next(&self) -> u64 {
        self.code.next_ip()
    }

    /// One indivisible step for all processors: `lock`, and `xchg` with memory, which is locked without saying so.
    pub fn is_locked(&self) -> bool {
        self.code.has_lock_prefix() || self.code.mnemonic() == Mnemonic::Xchg
    }

    /// What it does, if that is simple enough, as the registers stand.
    pub fn simple(&self, registers: &Registers) -> Option<Simple> {
        let down = registers.0.eflags & DIRECTION != 0;
        self.simple.filter(|simple| !down || !matches!(simple, Simple::Copy | Simple::Fill))
    }

    /// What it is about to touch; none where that cannot be told before it runs.
    pub fn touches(&self, registers: &Registers) -> Option<Vec<Touch>> {
        if self.simple(registers).is_some_and(|simple| matches!(simple, Simple::Copy | Simple::Fill)) {
            let len = registers.0.rcx.checked_mul(self.code.memory_size().size() as u64)?;
            let to = Touch { addr: registers.0.rdi, len, reads: false, writes: true };
            let from = Touch { addr: registers.0.rsi, len, reads: true, writes: false };
            return Some(if self.simple == Some(Simple::Copy) { vec![from, to] } else { vec![to] });
        }
        self.memory
            .iter()
            .map(|used| {
                let addr = used.virtual_address(0, |register, _, _| value_of(registers, register))?;
                let (reads, writes) = match used.access() {
                    OpAccess::Read | OpAccess::CondRead => (true, false),
                    OpAccess::Write | OpAccess::CondWrite => (false, true),
                    _ => (true, true),
                };
                Some(Touch { addr, len: used.memory_size().size() as u64, reads, writes })
            })
            .collect()
    }

    /// Finishes a [`Simple::Load`] that saw these bytes.
    pub fn finish_load(&self, registers: &mut Registers, bytes: &[u8]) {
        let mut low = [0; 8];
        low[..bytes.len()].copy_from_slice(bytes);
        let raw = u64::from_le_bytes(low);
        let unused = 64 - 8 * bytes.len() as u32;
        let signed = matches!(self.code.mnemonic(), Mnemonic::Movsx | Mnemonic::Movsxd);
        let value = if signed { ((raw << unused) as i64 >> unused) as u64 } else { raw };
        set(registers, self.code.op0_register(), value);
        registers.0.rip = self.next();
    }

    /// The bytes of a [`Simple::Store`].
    pub fn stored(&self, registers: &Registers) -> Vec<u8> {
        let value = match self.code.op1_kind() {
            OpKind::Register => value_of(registers, self.code.op1_register()).unwrap_or(0),
            _ => self.code.immediate(1),
        };
        value.to_le_bytes()[..self.code.memory_size().size()].to_vec()
    }

    /// The element of a [`Simple::Fill`].
    pub fn filling(&self, registers: &Registers) -> Vec<u8> {
        registers.0.rax.to_le_bytes()[..self.code.memory_size().size()].to_vec()
    }

    /// Steps over it: its work is done.
    pub fn skip(&self, registers: &mut Registers) {
        if matches!(self.simple, Some(Simple::Copy | Simple::Fill)) {
            let len = registers.0.rcx.wrapping_mul(self.code.memory_size().size() as u64);
            registers.0.rcx = 0;
            registers.0.rdi = registers.0.rdi.wrapping_add(len);
            if self.simple == Some(Simple::Copy) {
                registers.0.rsi = registers.0.rsi.wrapping_add(len);
            }
        }
        registers.0.rip = self.next();
    }

    /// The registers with which it touches memory `distance` further up; none where it has no register that serves.
    pub fn moved(&self, registers: &Registers, distance: u64) -> Option<Registers> {
        let (register, factor, _) = self.handle?;
        let mut moved = *registers;
        let value = value_of(registers, register)?;
        set(&mut moved, register, value.wrapping_add(distance / factor));
        Some(moved)
    }

    /// After a step with [`Instruction::moved`] registers: the register is as before, if the instruction left it alone.
    pub fn put_back(&self, before: &Registers, after: &mut Registers) {
        if let Some((register, _, false)) = self.handle
            && let Some(value) = value_of(before, register)
        {
            set(after, register, value);
        }
    }
}

fn simple(code: &Decoded) -> Option<Simple> {
    let general = |op: u32| code.op_kind(op) == OpKind::Register && code.op_register(op).is_gpr();
    let memory = |op: u32| code.op_kind(op) == OpKind::Memory;
    let repeated = code.has_rep_prefix() && code.memory_segment() == Register::DS;
    match code.mnemonic() {
        Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Movsx | Mnemonic::Movsxd if general(0) && memory(1) => {
            Some(Simple::Load)
        }
        Mnemonic::Mov if memory(0) && (general(1) || code.op1_kind() != OpKind::Register) => Some(Simple::Store),
        // With 32-bit addresses they use esi and edi.
        Mnemonic::Movsb | Mnemonic::Movsw | Mnemonic::Movsq
            if repeated && matches!(code.op0_kind(), OpKind::MemoryESRDI) =>
        {
            Some(Simple::Copy)
        }
        Mnemonic::Movsd if repeated && code.code() == Code::Movsd_m32_m32 && code.op0_kind() == OpKind::MemoryESRDI => {
            Some(Simple::Copy)
        }
        Mnemonic::Stosb | Mnemonic::Stosw | Mnemonic::Stosd | Mnemonic::Stosq
            if code.has_rep_prefix() && code.op0_kind() == OpKind::MemoryESRDI =>
        {
            Some(Simple::Fill)
        }
        _ => None,
    }
}

/// A register by which the one memory operand can be moved, and nothing else in the instruction with it.
fn handle(code: &Decoded, memory: &[UsedMemory], access: &[OpAccess]) -> Option<(Register, u64, bool)> {
    let operands: Vec<u32> = (0..code.op_count()).filter(|op| code.op_kind(*op) == OpKind::Memory).collect();
    let [_] = operands[..] else { return None };
    // push and pop touch the stack beside it, and that must stay where it is: only the operand has these registers.
    let explicit = memory.iter().any(|used| used.base() == code.memory_base() && used.index() == code.memory_index());
    let plain_segment = matches!(code.segment_prefix(), Register::None | Register::DS | Register::SS);
    if !explicit || !plain_segment {
        return None;
    }
    // Registers that the instruction uses and no operand names; the stack's pointer cannot be moved at all.
    let hidden: &[Register] = match code.mnemonic() {
        Mnemonic::Push | Mnemonic::Pop | Mnemonic::Call | Mnemonic::Xlatb => return None,
        Mnemonic::Cmpxchg => &[Register::RAX],
        Mnemonic::Mul | Mnemonic::Imul | Mnemonic::Div | Mnemonic::Idiv => &[Register::RAX, Register::RDX],
        Mnemonic::Cmpxchg8b | Mnemonic::Cmpxchg16b => &[Register::RAX, Register::RBX, Register::RCX, Register::RDX],
        _ => &[],
    };
    let other_use = |register: Register| {
        let named = |op: u32| code.op_kind(op) == OpKind::Register && code.op_register(op).full_register() == register;
        let read = |op: u32| !matches!(access[op as usize], OpAccess::Write | OpAccess::None);
        hidden.contains(&register) || (0..code.op_count()).any(|op| named(op) && read(op))
    };
    let written = |register: Register| {
        (0..code.op_count())
            .any(|op| code.op_kind(op) == OpKind::Register && code.op_register(op).full_register() == register)
    };
    let (base, index) = (code.memory_base(), code.memory_index());
    let scale = u64::from(code.memory_index_scale());
    // A destination of eight or sixteen bits leaves the rest of the register as it was: moved, that is.
    let whole = |register: Register| {
        (0..code.op_count()).all(|op| {
            code.op_kind(op) != OpKind::Register
                || code.op_register(op).full_register() != register
                || code.op_register(op).size() >= 4
        })
    };
    let serves = |register: Register, other: Register| {
        register.is_gpr64() && register != Register::RSP && register != other && whole(register)
    };
    if serves(base, index) && !other_use(base) {
        return Some((base, 1, written(base)));
    }
    if serves(index, base) && !other_use(index) {
        return Some((index, scale, written(index)));
    }
    None
}

/// A register's value, of a part of it the part's; segments by their base.
pub(super) fn value_of(registers: &Registers, register: Register) -> Option<u64> {
    let r = &registers.0;
    let full = match register.full_register() {
        Register::RAX => r.rax,
        Register::RBX => r.rbx,
        Register::RCX => r.rcx,
        Register::RDX => r.rdx,
        Register::RSI => r.rsi,
        Register::RDI => r.rdi,
        Register::RBP => r.rbp,
        Register::RSP => r.rsp,
        Register::R8 => r.r8,
        Register::R9 => r.r9,
        Register::R10 => r.r10,
        Register::R11 => r.r11,
        Register::R12 => r.r12,
        Register::R13 => r.r13,
        Register::R14 => r.r14,
        Register::R15 => r.r15,
        Register::RIP => r.rip,
        Register::FS => return Some(r.fs_base),
        Register::GS => return Some(r.gs_base),
        Register::ES | Register::CS | Register::SS | Register::DS => return Some(0),
        _ => return None,
    };
    let high = matches!(register, Register::AH | Register::BH | Register::CH | Register::DH);
    Some(match register.size() {
        1 if high => full >> 8 & 0xff,
        1 => full & 0xff,
        2 => full & 0xffff,
        4 => full & 0xffff_ffff,
        _ => full,
    })
}

/// Sets a general register or a part of it: 32 bits clear the upper half, fewer leave the rest.
pub(super) fn set(registers: &mut Registers, register: Register, value: u64) {
    let r = &mut registers.0;
    let full = match register.full_register() {
        Register::RAX => &mut r.rax,
        Register::RBX => &mut r.rbx,
        Register::RCX => &mut r.rcx,
        Register::RDX => &mut r.rdx,
        Register::RSI => &mut r.rsi,
        Register::RDI => &mut r.rdi,
        Register::RBP => &mut r.rbp,
        Register::RSP => &mut r.rsp,
        Register::R8 => &mut r.r8,
        Register::R9 => &mut r.r9,
        Register::R10 => &mut r.r10,
        Register::R11 => &mut r.r11,
        Register::R12 => &mut r.r12,
        Register::R13 => &mut r.r13,
        Register::R14 => &mut r.r14,
        Register::R15 => &mut r.r15,
        _ => return,
    };
    let high = matches!(register, Register::AH | Register::BH | Register::CH | Register::DH);
    *full = match register.size() {
        1 if high => *full & !0xff00 | (value & 0xff) << 8,
        1 => *full & !0xff | value & 0xff,
        2 => *full & !0xffff | value & 0xffff,
        4 => value & 0xffff_ffff,
        _ => value,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Instruction {
        Instruction::decode(bytes, 0x1000).expect("an instruction that touches memory")
    }

    fn registers() -> Registers {
        let mut registers = Registers::zeroed();
        registers.0.rax = 0x1111_2222_3333_4444;
        registers.0.rbx = 0x5000;
        registers.0.rcx = 4;
        registers.0.rsi = 0x6000;
        registers.0.rdi = 0x7000;
        registers
    }

    #[test]
    fn loads_fill_registers_as_the_processor_does() {
        let check = |code: &[u8], bytes: &[u8], rax: u64| {
            let (instruction, mut registers) = (decoded(code), registers());
            assert_eq!(instruction.simple(&registers), Some(Simple::Load));
            let touch = Touch { addr: 0x5000, len: bytes.len() as u64, reads: true, writes: false };
            assert_eq!(instruction.touches(&registers), Some(vec![touch]));
            instruction.finish_load(&mut registers, bytes);
            assert_eq!((registers.0.rax, registers.0.rip), (rax, 0x1000 + code.len() as u64));
        };
        check(&[0x48, 0x8b, 0x03], &[1, 2, 3, 4, 5, 6, 7, 8], 0x0807_0605_0403_0201); // mov rax, [rbx]
        check(&[0x8b, 0x03], &[1, 2, 3, 0xff], 0xff03_0201); // mov eax, [rbx]
        check(&[0x66, 0x8b, 0x03], &[1, 2], 0x1111_2222_3333_0201); // mov ax, [rbx]
        check(&[0x8a, 0x03], &[9], 0x1111_2222_3333_4409); // mov al, [rbx]
        check(&[0x8a, 0x23], &[9], 0x1111_2222_3333_0944); // mov ah, [rbx]
        check(&[0x0f, 0xb6, 0x03], &[0x80], 0x80); // movzx eax, byte [rbx]
        check(&[0x0f, 0xbe, 0x03], &[0x80], 0xffff_ff80); // movsx eax, byte [rbx]
        check(&[0x48, 0x0f, 0xbf, 0x03], &[0, 0x80], 0xffff_ffff_ffff_8000); // movsx rax, word [rbx]
        check(&[0x48, 0x63, 0x03], &[0, 0, 0, 0x80], 0xffff_ffff_8000_0000); // movsxd rax, dword [rbx]
    }

    #[test]
    fn stores_give_their_bytes() {
        let check = |code: &[u8], bytes: &[u8]| {
            let (instruction, registers) = (decoded(code), registers());
            assert_eq!(instruction.simple(&registers), Some(Simple::Store));
            assert_eq!(instruction.stored(&registers), bytes);
        };
        check(&[0x89, 0x03], &[0x44, 0x44, 0x33, 0x33]); // mov [rbx], eax
        check(&[0x88, 0x23], &[0x44]); // mov [rbx], ah
        check(&[0xc7, 0x03, 7, 0, 0, 0], &[7, 0, 0, 0]); // mov dword [rbx], 7
        check(&[0x48, 0xc7, 0x03, 0xff, 0xff, 0xff, 0xff], &[0xff; 8]); // mov qword [rbx], -1
        check(&[0x66, 0xc7, 0x03, 1, 2], &[1, 2]); // mov word [rbx], 0x201
    }

    #[test]
    fn string_instructions_are_one_stretch() {
        let (copy, mut now) = (decoded(&[0xf3, 0x48, 0xa5]), registers()); // rep movsq
        let touch = |addr, reads| Touch { addr, len: 32, reads, writes: !reads };
        assert_eq!(copy.simple(&now), Some(Simple::Copy));
        assert_eq!(copy.touches(&now), Some(vec![touch(0x6000, true), touch(0x7000, false)]));
        copy.skip(&mut now);
        assert_eq!((now.0.rsi, now.0.rdi, now.0.rcx), (0x6020, 0x7020, 0));
        let mut down = registers();
        down.0.eflags |= DIRECTION;
        assert_eq!(copy.simple(&down), None);
        assert_eq!(decoded(&[0xf3, 0xaa]).simple(&registers()), Some(Simple::Fill)); // rep stosb
    }

    #[test]
    fn an_operand_is_moved_by_a_register_that_nothing_else_needs() {
        let check = |code: &[u8], handle: Option<(Register, u64, bool)>| assert_eq!(decoded(code).handle, handle);
        check(&[0xf0, 0x0f, 0xc1, 0x03], Some((Register::RBX, 1, false))); // lock xadd [rbx], eax
        check(&[0x0f, 0x11, 0x03], Some((Register::RBX, 1, false))); // movups [rbx], xmm0
        check(&[0x48, 0x03, 0x1b], None); // add rbx, [rbx]
        check(&[0x48, 0x01, 0x1b], None); // add [rbx], rbx
        check(&[0x48, 0x87, 0x1b], None); // xchg [rbx], rbx
        check(&[0xf0, 0x0f, 0xb1, 0x08], None); // lock cmpxchg [rax], ecx
        check(&[0xf0, 0x0f, 0xb1, 0x0b], Some((Register::RBX, 1, false))); // lock cmpxchg [rbx], ecx
        check(&[0xff, 0x30], None); // push [rax]
        check(&[0x83, 0x04, 0x24, 1], None); // add dword [rsp], 1
        check(&[0x83, 0x04, 0x8c, 1], Some((Register::RCX, 4, false))); // add dword [rsp + rcx * 4], 1
        check(&[0x64, 0x83, 0x03, 1], None); // add dword fs:[rbx], 1
    }

    #[test]
    fn locked_is_what_the_processor_locks() {
        assert!(decoded(&[0x87, 0x03]).is_locked()); // xchg [rbx], eax
        assert!(decoded(&[0xf0, 0xff, 0x03]).is_locked()); // lock inc [rbx]
        assert!(!decoded(&[0xff, 0x03]).is_locked()); // inc [rbx]
        assert!(Instruction::decode(&[0x90], 0).is_none()); // nop
    }
}
