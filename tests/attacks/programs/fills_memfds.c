/* Memory that is no file of any file system: one memfd after another. */
#include "attack.h"

int main(void) {
    static char block[1 << 20];
    for (;;) {
        int fd = memfd_create("full", 0);
        if (fd < 0) came_of("memfd_create", fd);
        for (int i = 0; i < 16; i++)
            if (write(fd, block, sizeof block) < 0) came_of("write", -1);
    }
}
