/* Another process gets limits under which it cannot live. */
#include "attack.h"

#include <sys/resource.h>
int main(void) {
    struct rlimit none = { 0, 0 };
    came_of("parent", prlimit(getppid(), RLIMIT_NOFILE, &none, NULL));
    came_of("init", prlimit(1, RLIMIT_NOFILE, &none, NULL));
    came_of("own", prlimit(getpid(), RLIMIT_CORE, &none, NULL));
}
