/* Opens each path that it is given, for reading and for writing. */
#include "attack.h"

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY);
        if (fd >= 0) printf("read file %d\n", i);
        fd = open(argv[i], O_WRONLY | O_APPEND);
        if (fd >= 0) printf("wrote file %d\n", i);
    }
    for (const char **folder = (const char *[]){"/", "/usr", "/usr/bin", "/etc", "/dev", "/box", "/proc/sys/kernel", NULL}; *folder; folder++) {
        char name[64];
        snprintf(name, sizeof name, "%s/ipc-grade-was-here", *folder);
        if (open(name, O_CREAT | O_WRONLY, 0600) >= 0) printf("made %s\n", name);
    }
    printf("looked\n");
}
