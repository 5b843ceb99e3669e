/* Namespaces, in which it would be root. */
#include "attack.h"

static int child(void *unused) { return unused ? 1 : 0; }
int main(void) {
    static char stack[65536];
    came_of("unshare", unshare(CLONE_NEWUSER));
    came_of("clone", clone(child, stack + sizeof stack, CLONE_NEWUSER | SIGCHLD, NULL));
    came_of("clone3", syscall(SYS_clone3, NULL, 0));
    int fd = open("/proc/self/ns/user", O_RDONLY);
    came_of("setns", setns(fd, 0));
}
