/* Calls drawn by chance on what the recorder's model knows: where all of them are audited, the model is compared with the
   kernel at each. A case is a seed; `alone_N` draws for one process, `together_N` for three that share all objects. */
#include "cases.h"
#include <sys/epoll.h>

enum { OBJECTS = 6, ENDS = 2 * OBJECTS, INSTANCES = 2 };

static uint64_t state;
static char bytes[1 << 15];
static int ends[ENDS], instances[INSTANCES];

static unsigned draw(unsigned below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % below;
}

/* Pipes, eventfds of both kinds and socket pairs in turn; an eventfd has one end, twice. */
static void make(int object) {
    int *pair = &ends[2 * object];
    switch (object % 3) {
        case 0: must(pipe2(pair, O_NONBLOCK)); break;
        case 1:
            pair[0] = must(eventfd(draw(3), EFD_NONBLOCK | (draw(2) ? EFD_SEMAPHORE : 0)));
            pair[1] = must(dup(pair[0]));
            break;
        default: must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
    }
}

static int an_end(void) { return ends[draw(ENDS)]; }

static uint32_t some_events(void) {
    static const uint32_t all[] = {EPOLLIN, EPOLLOUT, EPOLLET, EPOLLONESHOT, EPOLLRDHUP};
    uint32_t events = draw(2) ? EPOLLIN : 0;
    for (int i = 0; i < 5; i++)
        if (draw(3) == 0) events |= all[i];
    return events;
}

static void control(void) {
    int operations[] = {EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL};
    int fd = an_end();
    struct epoll_event event = {.events = some_events(), .data.u64 = (uint64_t)fd << 32 | draw(1000)};
    epoll_ctl(instances[draw(INSTANCES)], operations[draw(4)], fd, &event);
}

static void look(int timeout) {
    struct epoll_event found[8];
    epoll_wait(instances[draw(INSTANCES)], found, 1 + (int)draw(8), timeout);
}

static void ask(int timeout) {
    struct pollfd asked[3];
    for (int i = 0; i < 3; i++) {
        asked[i] = (struct pollfd){.fd = an_end(), .events = draw(2) ? POLLIN : POLLOUT};
        if (draw(4) == 0) asked[i].events |= POLLRDHUP | POLLIN;
    }
    poll(asked, 1 + draw(3), timeout);
}

static size_t a_length(void) {
    static const unsigned most[] = {1, 9, 9, 100, 5000, 1 << 15};
    return draw(4) == 0 ? 8 : draw(most[draw(6)] + 1);
}

static volatile ssize_t got;

static void one_call(int together) {
    int fd = an_end();
    uint64_t value = draw(9) == 0 ? UINT64_MAX - draw(3) : draw(5);
    switch (draw(24)) {
        case 0 ... 4: got = read(fd, bytes, a_length()); break;
        case 5 ... 8: memset(bytes, 'a' + (int)draw(26), 64); got = write(fd, bytes, a_length()); break;
        case 9 ... 10: got = write(fd, &value, sizeof value); break;
        case 11 ... 12: control(); break;
        case 13 ... 15: look(together ? (int)draw(3) : 0); break;
        case 16: ask(together ? (int)draw(3) : 0); break;
        case 17: recv(fd, bytes, a_length(), draw(2) ? MSG_DONTWAIT : 0); break;
        case 18: send(fd, bytes, a_length(), draw(2) ? MSG_NOSIGNAL : 0); break;
        case 19: if (draw(3) == 0) fcntl(fd, F_SETPIPE_SZ, 4096 << draw(4)); break;
        case 20: if (draw(8) == 0) shutdown(fd, (int)draw(3)); break;
        case 21: {
            /* A copy in another's table, which lets go of it later. */
            if (together || draw(4)) break;
            pid_t child = must(fork());
            if (child == 0) {
                for (int i = 0; i < 10; i++) one_call(1);
                _exit(0);
            }
            for (int i = 0; i < 5; i++) one_call(1);
            must(waitpid(child, NULL, 0));
            break;
        }
        case 22: {
            int copy = dup(fd);
            if (draw(2)) dup2(fd, an_end());
            close(copy);
            break;
        }
        default: {
            int object = (int)draw(OBJECTS), *instance = &instances[draw(INSTANCES)];
            /* A new one, where the old one may have left the model. */
            if (draw(4) == 0) {
                close(*instance);
                *instance = must(epoll_create1(0));
                for (int i = 0; i < 8; i++) control();
            }
            if (draw(3) == 0) {
                close(ends[2 * object + draw(2)]);
            } else if (draw(2) == 0) {
                close(ends[2 * object]);
                close(ends[2 * object + 1]);
                make(object);
            }
        }
    }
}

static void start(int seed) {
    state = (uint64_t)seed * 0x9e3779b97f4a7c15u + 1;
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < OBJECTS; i++) make(i);
    for (int i = 0; i < INSTANCES; i++) instances[i] = must(epoll_create1(0));
    for (int i = 0; i < 8; i++) control();
}

static void alone(int seed) {
    start(seed);
    for (int i = 0; i < 600; i++) one_call(0);
}

static void together(int seed) {
    start(seed);
    for (int process = 0; process < 3; process++) {
        if (must(fork()) > 0) continue;
        state += (uint64_t)process;
        for (int i = 0; i < 150; i++) one_call(1);
        _exit(0);
    }
    while (wait(NULL) > 0) {}
}

int main(int argc, char **argv) {
    int seed;
    if (argc > 1 && sscanf(argv[1], "alone_%d", &seed) == 1) return alone(seed), 0;
    if (argc > 1 && sscanf(argv[1], "together_%d", &seed) == 1) return together(seed), 0;
    return 98;
}
