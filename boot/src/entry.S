# Entry of an image that was loaded as an ELF file or a flat image with the code at 0x10000.
#
# The machine is in z/Architecture mode, or (card reader, load list, tape) still in ESA/390 mode with
# 24- or 31-bit addressing. Up to SAM64 only instructions that both modes have are used.

        .section .head,"ax",@progbits
        .globl  _start
        .type   _start, @function
_start:
        lhi     %r1, 1                      # parameter: z/Architecture, this CPU keeps running
        lhi     %r2, 0
        lhi     %r3, 0
        sigp    %r1, %r2, 0x12(%r3)         # SET ARCHITECTURE; refused, harmlessly, if it is set already
        sam64
        larl    %r13, boot_constants
        lmh     %r0, %r15, 0(%r13)          # high halves are unpredictable after ESA/390 mode
        larl    %r13, boot_constants
        stckf   boot_entry_tod - boot_constants(%r13)
        lctlg   %c0, %c15, boot_control_registers - boot_constants(%r13)

        lmg     %r2, %r4, boot_packed - boot_constants(%r13)
        brasl   %r14, boot_unpack           # nothing in an image that is as it was linked
        xc      boot_packed - boot_constants(16, %r13), boot_packed - boot_constants(%r13) # once

        larl    %r2, __bss_start            # clear .bss: a load list does not
        larl    %r3, __bss_end
        sgr     %r3, %r2
        lghi    %r4, 0
        lghi    %r5, 0
1:      mvcle   %r2, %r4, 0
        jo      1b

        lghi    %r2, 0                      # and the software part of the first page
        aghi    %r2, 0x200
        lghi    %r3, 0xe00
        lghi    %r4, 0
        lghi    %r5, 0
2:      mvcle   %r2, %r4, 0
        jo      2b

        larl    %r15, boot_stack
        agfi    %r15, {stack_size} - 160    # less the save area of the first callee
        xc      0(8, %r15), 0(%r15)         # end of the back chain
        larl    %r13, boot_constants
        lg      %r2, boot_entry_tod - boot_constants(%r13)
        brasl   %r14, boot_main
        j       .
        .size   _start, . - _start

        .balign 64
boot_constants:
        .fill   64, 1, 0                    # zeroes for LMH
boot_control_registers:
        .quad   0, 0, 0, 0, 0, 0, 0, 0
        .quad   0, 0, 0, 0, 0, 0, 0, 0
boot_entry_tod:
        .quad   0
        .globl  boot_packed
boot_packed:                                # of an image that was packed: where its contents are, where they
        .quad   0, 0, 0                     # end, and where they belong; written by what packs it
