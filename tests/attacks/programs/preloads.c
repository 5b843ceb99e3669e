/* A library in the place of another: it stays the program's own business. */
#include "attack.h"

int main(int argc, char **argv) {
    if (argc > 1) { printf("recorded all the same\n"); return 0; }
    printf("%s\n", getenv("LD_PRELOAD") ? "inherited" : "nothing inherited");
    fflush(stdout);
    if (open("/etc/ld.so.preload", O_RDONLY) >= 0) printf("the machine preloads\n");
    if (fork() == 0) {
        setenv("LD_PRELOAD", "/work/none.so", 1);
        execl("/proc/self/exe", argv[0], "again", NULL);
        _exit(1);
    }
    wait(NULL);
}
