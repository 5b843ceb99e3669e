/* SIGKILL to every process that it can reach, its own child among them. */
#include "attack.h"

int main(void) {
    pid_t child = fork();
    if (child == 0) for (;;) pause();
    came_of("kill everybody", kill(-1, SIGKILL));
    int status = 0;
    waitpid(child, &status, 0);
    printf("its child: signal %d\n", WTERMSIG(status));
}
