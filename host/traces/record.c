/*
 * A plugin of QEMU 7.2 that writes what README.md says: the page-reference string of a machine, in part.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is used of QEMU's interface, version 1. */
int qemu_plugin_version = 1;
enum { NO_REGISTERS = 0, READS_AND_WRITES = 3 };
typedef uint64_t plugin_id;
typedef uint32_t access_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id,
                                           void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *,
                                      void (*)(unsigned, access_info, uint64_t, void *), int, int,
                                      void *);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(access_info, uint64_t);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *);

/* Of so many pages the order of use is kept: a reference to one of them is not written. */
enum { DEPTH = 256 };
/* In two bytes: a page of 32 MiB, and how many pages behind it follow. */
enum { PAGES = 1 << 13, MOST_FOLLOW = 7 };

static uint32_t last[DEPTH]; /* the one that was used last in front */
static uint32_t first, length; /* what is to be written */
static long skip, count;
static FILE *file;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void write_run(void)
{
    uint32_t word = first << 3 | (length - 1);
    if (length > 0) {
        fputc(word >> 8, file);
        fputc(word & 0xff, file);
    }
    length = 0;
}

static void miss(uint32_t page)
{
    if (skip > 0 || count == 0) {
        skip -= skip > 0;
        return;
    }
    if (length == 0 || page != first + length || length > MOST_FOLLOW) {
        write_run();
        first = page;
    }
    length++;
    if (--count == 0) {
        write_run();
        fflush(file);
    }
}

static void reference(uint32_t page)
{
    size_t at = 0;
    while (at < DEPTH && last[at] != page)
        at++;
    if (at == DEPTH) {
        miss(page);
        at = DEPTH - 1;
    }
    memmove(last + 1, last, at * sizeof(*last));
    last[0] = page;
}

static void access_page(unsigned cpu, access_info info, uint64_t address, void *data)
{
    struct qemu_plugin_hwaddr *real = qemu_plugin_get_hwaddr(info, address);
    if (!real || qemu_plugin_hwaddr_is_io(real))
        return;
    uint32_t page = (uint32_t)(qemu_plugin_hwaddr_phys_addr(real) >> 12);
    pthread_mutex_lock(&lock);
    if (last[0] != page && page < PAGES)
        reference(page);
    pthread_mutex_unlock(&lock);
}

static void translate(plugin_id id, struct qemu_plugin_tb *block)
{
    size_t count = qemu_plugin_tb_n_insns(block);
    for (size_t at = 0; at < count; at++)
        qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(block, at), access_page,
                                         NO_REGISTERS, READS_AND_WRITES, NULL);
}

static void end(plugin_id id, void *data)
{
    write_run();
    fclose(file);
}

int qemu_plugin_install(plugin_id id, const void *info, int number, char **arguments)
{
    char path[256];
    memset(last, 0xff, sizeof(last));
    if (number != 3 || sscanf(arguments[0], "trace=%255s", path) != 1 ||
        sscanf(arguments[1], "skip=%ld", &skip) != 1 ||
        sscanf(arguments[2], "count=%ld", &count) != 1 || !(file = fopen(path, "wb"))) {
        fprintf(stderr, "record: trace=PATH,skip=NUMBER,count=NUMBER\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, end, NULL);
    return 0;
}
