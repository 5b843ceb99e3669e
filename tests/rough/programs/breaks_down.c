/* A compiler that has an internal error over some sources, and is the one beside it for all others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int has(const char *text, const char *word) { return strstr(text, word) != NULL; }

int main(int argc, char **argv) {
    static char text[1 << 16], path[4096], once[4096];
    FILE *source = fopen("src/main.rs", "r");
    if (source) fread(text, 1, sizeof text - 1, source);
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "-o") == 0) snprintf(once, sizeof once, "%s.once", argv[i + 1]);
    int breaks = has(text, "// ALWAYS BREAKS") || (has(text, "// BREAKS ONCE") && access(once, F_OK) != 0);
    if (once[0] && breaks) {
        fclose(fopen(once, "w"));
        fprintf(stderr, "error: internal compiler error: broken MIR in Item(DefId(0:3))\n --> src/main.rs:4:5\n");
        fprintf(stderr, "note: we would appreciate a bug report\nquery stack during panic:\n#0 [mir_borrowck] main\n");
        return 101;
    }
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 8);
    if (length < 0) return 1;
    strcpy(path + length, "-itself");
    execv(path, argv);
    return 1;
}
