/* The names of the machine's users. */
#include "attack.h"

int main(void) {
    char line[256];
    FILE *file = fopen("/etc/passwd", "r");
    while (file && fgets(line, sizeof line, file)) if (!strncmp(line, "root:", 5)) printf("the machine's users\n"); else if (strstr(line, "learner")) fputs(line, stdout);
    if (open("/etc/shadow", O_RDONLY) >= 0) printf("shadow\n");
    if (!file) printf("%s\n", strerrorname_np(errno));
}
