# u64 arch_interpret(Context *context, StateDescriptor *state): interprets a guest until the machine stops, or
# the host is interrupted. Returns the class of the interruption, or 6.
#
# Between arch_interpret_begin and arch_interpret_end general registers 0 to 13 are the guest's; 14 and 15 are
# ours. An interruption there goes on at arch_interpret_end with its class in register 14: see interpret.rs.
# Interruptions are let in just in front of SIE, so one that is pending then does not wait for the guest.

        .section .text.arch_interpret,"ax",@progbits
        .balign 16
        .globl  arch_interpret
        .globl  arch_interpret_begin
        .globl  arch_interpret_end
        .type   arch_interpret, @function
arch_interpret:
        stmg    %r2, %r15, 16(%r15)         # the caller's save area for us
        lgr     %r14, %r3
        lmg     %r0, %r13, 0(%r2)
arch_interpret_begin:
        stosm   24(%r15), 0x01              # external interruptions
        sie     0(%r14)
        stnsm   24(%r15), 0xfe
        lghi    %r14, 6
arch_interpret_end:
        stg     %r14, 24(%r15)
        lg      %r14, 16(%r15)
        stmg    %r0, %r13, 0(%r14)
        lg      %r2, 24(%r15)
        lmg     %r6, %r15, 48(%r15)
        br      %r14
        .size   arch_interpret, . - arch_interpret

# An instruction that the machine always leaves to the host.
        .globl  arch_interpret_nothing
arch_interpret_nothing:
        sigp    %r0, %r0, 0
