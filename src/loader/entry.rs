//! The two entry points in assembly: the one of the ELF file, and the one that ld.so
//! gets.

use core::arch::global_asm;

use crate::{first_stage, open_hook, stack::Stack};

global_asm!(
    // The kernel jumps here. The stack pointer is kept in a register that functions
    // preserve, and ld.so gets it as the kernel made it.
    ".globl rgunicorn_entry",
    ".hidden rgunicorn_entry",
    ".type rgunicorn_entry, @function",
    "rgunicorn_entry:",
    ".cfi_startproc",
    ".cfi_undefined rip", // the outermost frame: unwinders stop here
    "xor ebp, ebp",
    "mov rbx, rsp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {first_stage}",
    "mov rsp, rbx",
    "xor edx, edx", // the ABI's "no function to register with atexit"
    "jmp rax",
    ".cfi_endproc",

    // ld.so jumps here when the program is ready to run. rdx holds its
    // finaliser, which belongs to _start.
    ".globl rgunicorn_second_entry",
    ".hidden rgunicorn_second_entry",
    "rgunicorn_second_entry:",
    ".cfi_startproc",
    ".cfi_undefined rip",
    "xor ebp, ebp",
    "mov rbx, rsp",
    "mov r12, rdx",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {restore}",
    "mov rsp, rbx",
    "mov rdx, r12",
    "jmp _start",
    ".cfi_endproc",

    // ld.so's open call jumps here: the path is in rdi, the flags in edx, the mode in
    // r10d. As a system call would, it may change only rax, rcx and r11, and the 128
    // bytes below the stack pointer are in use (the red zone).
    ".globl rgunicorn_open_hook",
    ".hidden rgunicorn_open_hook",
    "rgunicorn_open_hook:",
    "lea rsp, [rsp - 128]",
    "push rbp",
    "push rdi",
    "push rsi",
    "push rdx",
    "push r8",
    "push r9",
    "push r10",
    "mov rbp, rsp",
    "and rsp, -16",
    "mov esi, edx",
    "mov edx, r10d",
    "call {open}",
    "mov rsp, rbp",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rdx",
    "pop rsi",
    "pop rdi",
    "pop rbp",
    "lea rsp, [rsp + 128]",
    "jmp [rip + {resume}]",

    first_stage = sym first_stage::first_stage,
    restore = sym restore_environment,
    open = sym open_hook::open,
    resume = sym open_hook::RESUME,
);

/// # Safety
/// Only the second entry point calls it, with the kernel's stack pointer.
unsafe extern "C" fn restore_environment(lowest: *mut usize) {
    // SAFETY: ld.so does not change the stack pointer that the kernel gave.
    unsafe { Stack::new(lowest) }.show_loader_variables();
}
