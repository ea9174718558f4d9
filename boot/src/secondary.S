# Where a CPU begins that was started by a restart interruption: in z/Architecture, DAT off, disabled,
# its prefix set. Control registers are those of an initial CPU reset.

        .section .text.boot_secondary,"ax",@progbits
        .balign 16
        .globl  boot_secondary
        .type   boot_secondary, @function
boot_secondary:
        larl    %r13, boot_control_registers
        lctlg   %c0, %c15, 0(%r13)
        lg      %r15, {start_stack}
        xc      0(8, %r15), 0(%r15)         # end of the back chain
        lg      %r2, {start_argument}
        brasl   %r14, boot_secondary_main
        j       .
        .size   boot_secondary, . - boot_secondary
