/* Its child traces it, and so does it its child. */
#include "attack.h"

#include <sys/ptrace.h>
int main(void) {
    if (fork() == 0) {
        came_of("seize", ptrace(PTRACE_SEIZE, getppid(), 0, 0));
        came_of("attach", ptrace(PTRACE_ATTACH, getppid(), 0, 0));
        came_of("traceme", ptrace(PTRACE_TRACEME, 0, 0, 0));
        _exit(0);
    }
    wait(NULL);
    came_of("its tracer", ptrace(PTRACE_SEIZE, 1, 0, 0));
}
