/* For programs that check for themselves what calls give, on objects that the recorder knows and on such as are left to
   the kernel (`generic_NAME`). */

#define SAME(one, other)                                                     \
    do {                                                                     \
        long a = (one), b = (other);                                         \
        if (a != b) {                                                        \
            fprintf(stderr, "line %d: %ld and not %ld\n", __LINE__, a, b);   \
            exit(1);                                                         \
        }                                                                    \
    } while (0)

/* The call fails, with this error. */
#define FAILS(call, error)                                                   \
    do {                                                                     \
        SAME(call, -1);                                                      \
        SAME(errno, error);                                                  \
    } while (0)

static int generic;

/* Time passes only when nobody else can run: those who wait do so by then. */
static void until_all_wait(void) { poll(NULL, 0, 1); }

static unsigned long dice;

static inline int below(int bound) {
    dice = dice * 6364136223846793005 + 1442695040888963407;
    return (int)((dice >> 33) % (unsigned long)bound);
}

#define RUN_BOTH(...)                                                        \
    int main(int argc, char **argv) {                                        \
        static const struct one_case cases[] = {__VA_ARGS__};                \
        const char *name = argc > 1 ? argv[1] : "";                          \
        generic = strncmp(name, "generic_", 8) == 0;                         \
        name += generic ? 8 : 0;                                             \
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)            \
            if (strcmp(cases[i].name, name) == 0) {                          \
                cases[i].run();                                              \
                return 0;                                                    \
            }                                                                \
        return 98;                                                           \
    }
