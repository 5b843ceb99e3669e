/* Calls on what the recorder's model knows: a case ends with 0 where each stopped its caller once. A call that the kernel
   has to answer stops it twice, at its entry and at its exit, and each stop is a switch that the kernel counts. */
#include "cases.h"
#include <sys/epoll.h>
#include <sys/resource.h>

enum { ROUNDS = 200 };

static char bytes[16];
static int ends[2], instance;

static long switches(void) {
    struct rusage usage;
    must(getrusage(RUSAGE_SELF, &usage));
    return usage.ru_nvcsw;
}

static void expect(long calls, void (*round)(void)) {
    long before = switches();
    for (int i = 0; i < ROUNDS; i++) round();
    long made = switches() - before;
    if (made < calls * ROUNDS || 2 * made > 3 * calls * ROUNDS) {
        fprintf(stderr, "%ld switches in %ld calls\n", made, calls * ROUNDS);
        exit(1);
    }
}

static void there_and_back(void) {
    must(write(ends[1], bytes, 8));
    must(read(ends[0], bytes, 8));
}

static void by_message(void) {
    must(send(ends[1], bytes, 8, MSG_NOSIGNAL));
    must(recv(ends[0], bytes, 8, 0));
}

static void with_a_look(void) {
    struct epoll_event found;
    there_and_back();
    must(epoll_wait(instance, &found, 1, 0));
}

static void look_at(uint32_t events) {
    struct epoll_event event = {.events = events};
    instance = must(epoll_create1(0));
    must(epoll_ctl(instance, EPOLL_CTL_ADD, ends[0], &event));
}

static void pipes(void) {
    must(pipe(ends));
    expect(2, there_and_back);
    look_at(EPOLLIN);
    expect(3, with_a_look);
}

static void counters(void) {
    ends[0] = ends[1] = must(eventfd(0, 0));
    memcpy(bytes, &(uint64_t){1}, 8);
    expect(2, there_and_back);
    look_at(EPOLLIN | EPOLLOUT | EPOLLET);
    expect(3, with_a_look);
}

static void pairs(void) {
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    expect(2, there_and_back);
    expect(2, by_message);
    look_at(EPOLLIN | EPOLLRDHUP | EPOLLOUT);
    expect(3, with_a_look);
}

static void left_to_the_kernel(void) {
    must(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
    expect(4, there_and_back);
}

RUN(CASE(pipes), CASE(counters), CASE(pairs), CASE(left_to_the_kernel))
