# Interruption entries, and the way into and out of problem-state contexts.
#
# Every entry saves the registers in the lowcore first. If the old PSW is in the problem state, the
# context that ran is left: its registers and PSW are stored, and arch_enter_context returns the class.
# Otherwise a frame is built on the interrupted stack, below everything that the interrupted function
# can have in use (the calling convention has no red zone), and Rust is called with it.

        .set    frame_size, 160 + 144       # register save area of the callee, and Frame
        .set    frame_psw, 160 + 128

        .macro  arch_entry name, class, old, stack=0
        .section .text.\name,"ax",@progbits
        .balign 16
        .globl  \name
        .type   \name, @function
\name:
        stmg    %r0, %r15, {save_gprs}
        tm      \old + 1, 0x01              # PSW bit 15: problem state
        jnz     1f
        .if     \stack
        lg      %r15, \stack
        .endif
        aghi    %r15, -frame_size
        mvc     160(128, %r15), {save_gprs}
        mvc     frame_psw(16, %r15), \old
        la      %r2, 160(%r15)
        lghi    %r3, \class
        brasl   %r14, arch_interruption
        mvc     {return_psw}(16), frame_psw(%r15)
        lmg     %r0, %r15, 160(%r15)
        lpswe   {return_psw}
1:      lg      %r1, {context}
        mvc     0(128, %r1), {save_gprs}
        mvc     128(16, %r1), \old
        lghi    %r2, \class
        lg      %r15, {context_stack}
        lmg     %r6, %r14, 48(%r15)
        br      %r14
        .size   \name, . - \name
        .endm

        arch_entry arch_restart, 0, {restart_old}, {emergency_stack}
        arch_entry arch_external, 1, {external_old}
        arch_entry arch_supervisor_call, 2, {svc_old}
        arch_entry arch_program, 3, {program_old}
        arch_entry arch_machine_check, 4, {machine_check_old}, {emergency_stack}
        arch_entry arch_io, 5, {io_old}

# Program interruptions of what is executed to find out what becomes of it, in either state.
        .section .text.arch_leave_context,"ax",@progbits
        .balign 16
        .globl  arch_leave_context
        .type   arch_leave_context, @function
arch_leave_context:
        stmg    %r0, %r15, {save_gprs}
        lg      %r1, {context}
        mvc     0(128, %r1), {save_gprs}
        mvc     128(16, %r1), {program_old}
        lg      %r15, {context_stack}
        lmg     %r6, %r14, 48(%r15)
        br      %r14
        .size   arch_leave_context, . - arch_leave_context

# u64 arch_enter_context(Context *context)
        .section .text.arch_enter_context,"ax",@progbits
        .balign 16
        .globl  arch_enter_context
        .type   arch_enter_context, @function
arch_enter_context:
        stmg    %r6, %r15, 48(%r15)         # the caller's save area for us
        stg     %r15, {context_stack}
        stg     %r2, {context}
        mvc     {return_psw}(16), 128(%r2)
        lmg     %r0, %r15, 0(%r2)
        lpswe   {return_psw}
        .size   arch_enter_context, . - arch_enter_context
