/* Opens the queues that its arguments name, made where they are not there, and leaves them. */
#include <fcntl.h>
#include <mqueue.h>
#include <stddef.h>

int main(int argc, char **argv) {
    for (int each = 1; each < argc; each++) {
        mqd_t queue = mq_open(argv[each], O_CREAT | O_RDWR, 0600, NULL);
        (void)queue;
    }
}
