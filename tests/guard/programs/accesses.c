/* Instructions of many kinds on guarded memory: the program checks what they did. */
#include "cases.h"

static void widths(void) {
    uint8_t *m = shared_pages(4096);
    CHILD {
        *(volatile uint8_t *)m = 0x11;
        *(volatile uint16_t *)(m + 2) = 0x2222;
        *(volatile uint32_t *)(m + 4) = 0x33333333;
        *(volatile uint64_t *)(m + 8) = 0x4444444444444444;
        /* Unaligned. */
        *(volatile uint32_t *)(m + 17) = 0x55667788;
        __asm__ volatile("movups (%0), %%xmm0; movups %%xmm0, 32(%0)" : : "r"(m) : "xmm0", "memory");
        CHECK(*(volatile int8_t *)m == 0x11);
        CHECK((int)*(volatile int16_t *)(m + 2) == 0x2222);
    }
    CHECK(memcmp(m, m + 32, 16) == 0);
    CHECK(*(volatile uint32_t *)(m + 17) == 0x55667788);
}

/* A load and a store in one instruction, locked and not. */
static void both_ways(void) {
    volatile uint32_t *m = shared_pages(4096);
    CHILD {
        __asm__ volatile("addl $5, (%0)" : : "r"(m) : "memory", "cc");
        __asm__ volatile("lock incl (%0)" : : "r"(m) : "memory", "cc");
        uint32_t seven = 7;
        __asm__ volatile("xchgl %0, 4(%1)" : "+r"(seven) : "r"(m) : "memory");
        CHECK(seven == 0);
        uint32_t two = 2;
        __asm__ volatile("lock xaddl %0, (%1)" : "+r"(two) : "r"(m) : "memory", "cc");
        CHECK(two == 6);
        CHECK(__sync_val_compare_and_swap(m, 8, 9) == 8);
        CHECK(__sync_val_compare_and_swap(m, 1, 2) == 9);
    }
    CHECK(m[0] == 9 && m[1] == 7);
}

/* Registers that cannot be moved: base and value in one, the stack's pointer, a segment, two operands. */
static void awkward(void) {
    uint64_t *m = shared_pages(8192);
    CHILD {
        void *at = m;
        __asm__ volatile("movq %0, (%0)" : : "r"(at) : "memory");
        CHECK(m[0] == (uint64_t)at);
        __asm__ volatile("addq %0, (%0)" : : "r"(at) : "memory", "cc");
        CHECK(m[0] == 2 * (uint64_t)at);
        m[0] = 5;
        __asm__ volatile("movq (%0), %0" : "+r"(at) : : "memory");
        CHECK(at == (void *)5);
        uint64_t value = 77;
        __asm__ volatile("pushq (%1); popq 8(%1); pushq %0; popq 16(%1)" : : "r"(value), "r"(m) : "memory");
        CHECK(m[1] == 5 && m[2] == 77);
        uint64_t kept;
        __asm__ volatile("movq %%rsp, %0; movq %1, %%rsp; addq $3, (%%rsp); pushq %2; popq %2; movq %0, %%rsp"
                         : "=&r"(kept) : "r"(m + 8), "r"(value) : "memory", "cc");
        CHECK(m[8] == 3 && m[7] == 77);
        __asm__ volatile("lock cmpxchgq %1, (%0)" : : "r"(m + 3), "r"(value), "a"(0ull) : "memory", "cc");
        CHECK(m[3] == 77);
        __asm__ volatile("movsq" : : "S"(m + 3), "D"(m + 4) : "memory");
        CHECK(m[4] == 77);
        /* Across two pages. */
        *(volatile uint64_t *)((char *)m + 4092) = 0x1122334455667788;
        CHECK(*(volatile uint64_t *)((char *)m + 4092) == 0x1122334455667788);
        uint8_t cx[16];
        __asm__ volatile("movups (%0), %%xmm1; movups %%xmm1, (%1)" : : "r"(m + 3), "r"(cx) : "xmm1", "memory");
        CHECK(*(uint64_t *)cx == 77);
        __asm__ volatile("incb (%0); negb (%0); shlq $1, 24(%0); notl 40(%0)" : : "r"(m) : "memory", "cc");
        CHECK((m[0] & 0xff) == 0xfa && m[3] == 154 && m[5] == 0xffffffff);
    }
}

struct big {
    char text[600];
    int numbers[50];
};

static void copies(void) {
    struct big *m = shared_pages(4096), here = {.text = "a text", .numbers = {1, 2, 3}};
    CHILD {
        *m = here;
        struct big back = *m;
        CHECK(memcmp(&back, &here, sizeof here) == 0);
    }
    char line[16];
    CHILD {
        memcpy(m->text + 100, "0123456789abcdefghij", 20);
        memmove(m->text + 104, m->text + 100, 20);
        CHECK(memcmp(m->text + 100, "01230123456789abcdefghij", 24) == 0);
        memset(m->text + 200, 'x', 100);
    }
    CHECK(strlen(m->text) == 6);
    CHECK(strcmp(m->text, "a text") == 0);
    CHECK(snprintf(line, sizeof line, "%s", m->text) == 6);
    CHECK(m->text[299] == 'x' && m->text[300] == 0);
}

/* Only the copies, for the trace. */
static void one_copy(void) {
    char *m = shared_pages(4096);
    char here[200];
    for (int i = 0; i < 200; i++) here[i] = (char)(i + 1);
    here[199] = 0;
    /* Not the compiler's own copy. */
    void *(*volatile copy)(void *, const void *, size_t) = memcpy;
    CHILD { copy(m + 8, here, 200); }
    copy(here, m + 8, 100);
    size_t (*volatile length)(const char *) = strlen;
    CHECK(length(m + 9) == 198);
}

RUN(CASE(widths), CASE(both_ways), CASE(awkward), CASE(copies), CASE(one_copy))
