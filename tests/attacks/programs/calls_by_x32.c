/* The calls of x32 programs have other numbers too. */
#include "attack.h"

int main(void) {
    long result = syscall(0x40000000 + SYS_getpid);
    printf("a call of x32: %s\n", result < 0 ? "failed" : "done");
}
