# Unpacking an image: one block of the LZ4 format, before there is a stack.
#
# %r2 is where the block begins, %r3 where it ends, %r4 where its contents belong, which lies in front of it.
# Changes %r0 and %r2 to %r8. It is part of the head, which is not packed.

        .section .head,"ax",@progbits
        .type   boot_unpack, @function
boot_unpack:
        clgr    %r2, %r3                    # the last sequence has no match: the block may end behind literals
        bher    %r14
        llgc    %r5, 0(%r2)                 # token: number of literals, number of bytes that were there before
        la      %r2, 1(%r2)
        srlg    %r6, %r5, 4
        cghi    %r6, 15
        jne     2f
1:      llgc    %r0, 0(%r2)                 # a large number goes on until a byte is not 255
        la      %r2, 1(%r2)
        agr     %r6, %r0
        cghi    %r0, 255
        je      1b
2:      ltgr    %r6, %r6
        je      4f
3:      mvc     0(1, %r4), 0(%r2)           # literals
        la      %r4, 1(%r4)
        la      %r2, 1(%r2)
        brctg   %r6, 3b
4:      clgr    %r2, %r3
        bher    %r14

        lghi    %r7, 0                      # how far back, little-endian
        lrvh    %r7, 0(%r2)
        la      %r2, 2(%r2)
        lgr     %r8, %r4
        sgr     %r8, %r7
        nill    %r5, 15
        cghi    %r5, 15
        jne     6f
5:      llgc    %r0, 0(%r2)
        la      %r2, 1(%r2)
        agr     %r5, %r0
        cghi    %r0, 255
        je      5b
6:      aghi    %r5, 4                      # no match is shorter
7:      mvc     0(1, %r4), 0(%r8)           # byte by byte: it may reach into what it writes
        la      %r4, 1(%r4)
        la      %r8, 1(%r8)
        brctg   %r5, 7b
        j       boot_unpack
        .size   boot_unpack, . - boot_unpack
