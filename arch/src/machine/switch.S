# Switching stacks: one thread of the supervisor state to another.

# void arch_switch(u64 *save, u64 to)
        .section .text.arch_switch,"ax",@progbits
        .balign 16
        .globl  arch_switch
        .type   arch_switch, @function
arch_switch:
        stmg    %r6, %r15, 48(%r15)         # what the calling convention wants kept
        stg     %r15, 0(%r2)
        lgr     %r15, %r3
        lmg     %r6, %r15, 48(%r15)
        br      %r14
        .size   arch_switch, . - arch_switch

# Where a new stack goes on: function in register 6, its argument in register 7.
        .section .text.arch_first_switch,"ax",@progbits
        .balign 16
        .globl  arch_first_switch
        .type   arch_first_switch, @function
arch_first_switch:
        lgr     %r2, %r7
        basr    %r14, %r6
        j       .
        .size   arch_first_switch, . - arch_first_switch
