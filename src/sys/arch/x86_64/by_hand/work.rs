//! What an instruction does, by its mnemonic: which are known at all.

use iced_x86::{Code, ConditionCode, Instruction as Decoded, Mnemonic, OpKind, Register};

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Nothing,
    Move,
    MoveSigned,
    Address,
    Exchange,
    Add {
        carry: bool,
    },
    Subtract {
        borrow: bool,
    },
    Compare,
    Increment,
    Decrement,
    Negate,
    Not,
    And,
    Or,
    Xor,
    Test,
    ShiftLeft,
    ShiftRight,
    ShiftSigned,
    Multiply,
    MultiplyWide {
        signed: bool,
    },
    Divide {
        signed: bool,
    },
    BitTest,
    ExchangeAdd,
    CompareExchange,
    /// The accumulator's lower half to the whole.
    Widen,
    /// The accumulator's sign into the register above it.
    SignFill,
    SetIf,
    MoveIf,
    Jump,
    JumpIf,
    Call,
    Return,
    Push,
    Pop,
    Leave,
}

/// Memory without a segment's base, at an address of 64 bits.
pub(super) fn is_ordinary_memory(code: &Decoded) -> bool {
    let wide = |register: Register| register == Register::None || register == Register::RIP || register.is_gpr64();
    let (base, index) = (code.memory_base(), code.memory_index());
    let none = base == Register::None && index == Register::None;
    !matches!(code.memory_segment(), Register::FS | Register::GS)
        && wide(base)
        && wide(index)
        && (!none || code.memory_displ_size() == 8)
}

pub(super) fn work(code: &Decoded) -> Option<Work> {
    let pushes = |by: i32| code.stack_pointer_increment() == by;
    Some(match code.mnemonic() {
        Mnemonic::Nop | Mnemonic::Endbr64 => Work::Nothing,
        // With REX.B it exchanges registers.
        Mnemonic::Pause if code.len() == 2 => Work::Nothing,
        Mnemonic::Mov | Mnemonic::Movzx => Work::Move,
        Mnemonic::Movsx | Mnemonic::Movsxd => Work::MoveSigned,
        Mnemonic::Lea => Work::Address,
        Mnemonic::Xchg => Work::Exchange,
        Mnemonic::Add => Work::Add { carry: false },
        Mnemonic::Adc => Work::Add { carry: true },
        Mnemonic::Sub => Work::Subtract { borrow: false },
        Mnemonic::Sbb => Work::Subtract { borrow: true },
        Mnemonic::Cmp => Work::Compare,
        Mnemonic::Inc => Work::Increment,
        Mnemonic::Dec => Work::Decrement,
        Mnemonic::Neg => Work::Negate,
        Mnemonic::Not => Work::Not,
        Mnemonic::And => Work::And,
        Mnemonic::Or => Work::Or,
        Mnemonic::Xor => Work::Xor,
        Mnemonic::Test => Work::Test,
        Mnemonic::Shl | Mnemonic::Sal => Work::ShiftLeft,
        Mnemonic::Shr => Work::ShiftRight,
        Mnemonic::Sar => Work::ShiftSigned,
        Mnemonic::Imul if code.op_count() == 1 => Work::MultiplyWide { signed: true },
        Mnemonic::Imul => Work::Multiply,
        Mnemonic::Mul => Work::MultiplyWide { signed: false },
        Mnemonic::Div => Work::Divide { signed: false },
        Mnemonic::Idiv => Work::Divide { signed: true },
        // Of memory it may look at other places than its operand's.
        Mnemonic::Bt if code.op0_kind() == OpKind::Register => Work::BitTest,
        Mnemonic::Xadd => Work::ExchangeAdd,
        Mnemonic::Cmpxchg => Work::CompareExchange,
        Mnemonic::Cbw | Mnemonic::Cwde | Mnemonic::Cdqe => Work::Widen,
        Mnemonic::Cwd | Mnemonic::Cdq | Mnemonic::Cqo => Work::SignFill,
        Mnemonic::Jmp if code.is_jmp_short_or_near() || code.code() == Code::Jmp_rm64 => Work::Jump,
        Mnemonic::Call if matches!(code.code(), Code::Call_rel32_64 | Code::Call_rm64) => Work::Call,
        Mnemonic::Ret if matches!(code.code(), Code::Retnq | Code::Retnq_imm16) => Work::Return,
        Mnemonic::Push if pushes(-8) => Work::Push,
        Mnemonic::Pop if pushes(8) && code.op0_kind() == OpKind::Register => Work::Pop,
        Mnemonic::Leave if code.code() == Code::Leaveq => Work::Leave,
        _ if code.is_jcc_short_or_near() => Work::JumpIf,
        _ if code.condition_code() == ConditionCode::None => return None,
        _ if code.op_count() == 1 && code.op0_kind() != OpKind::NearBranch64 => Work::SetIf,
        _ if code.op_count() == 2 => Work::MoveIf,
        _ => return None,
    })
}
