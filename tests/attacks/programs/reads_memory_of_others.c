/* The memory of pid 1, of its parent and of its child, by /proc and by process_vm_readv. */
#include "attack.h"

#include <sys/uio.h>
static void look(const char *who, int pid) {
    char name[64];
    for (const char **file = (const char *[]){"mem", "environ", "maps", "root", "cwd", "exe", "fd/0", NULL}; *file; file++) {
        snprintf(name, sizeof name, "/proc/%d/%s", pid, *file);
        int fd = open(name, O_RDONLY);
        char byte;
        if (fd >= 0 && (read(fd, &byte, 1) >= 0 || errno != EIO)) printf("%s: %s\n", who, *file);
        if (fd >= 0) close(fd);
    }
    snprintf(name, sizeof name, "/proc/%d/mem", pid);
    if (open(name, O_RDWR) >= 0) printf("%s: mem for writing\n", who);
    char there = 0;
    struct iovec ours = { &there, 1 };
    struct iovec theirs = { &there, 1 };
    printf("%s: ", who);
    came_of("process_vm_readv", process_vm_readv(pid, &ours, 1, &theirs, 1, 0));
    printf("%s: ", who);
    came_of("process_vm_writev", process_vm_writev(pid, &ours, 1, &theirs, 1, 0));
}
int main(void) {
    look("1", 1);
    look("parent", getppid());
}
