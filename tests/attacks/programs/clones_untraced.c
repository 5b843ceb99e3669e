/* A child that its tracer would not get. */
#include "attack.h"

static int child(void *unused) {
    printf("a child%s\n", unused ? "" : " that nobody traces");
    fflush(stdout);
    return 0;
}
int main(void) {
    static char stack[65536];
    came_of("clone", clone(child, stack + sizeof stack, CLONE_UNTRACED | SIGCHLD, NULL));
}
