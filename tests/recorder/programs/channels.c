/* Descriptors, and bytes that pass through them. */
#include "cases.h"

static int opens_for_writing(void *with) {
    (void)with;
    int fd = must(open("names", O_WRONLY));
    say(fd, "kettle");
    return 0;
}

static void fifo(void) {
    must(mkfifo("names", 0600));
    pid_t pid = child_of(opens_for_writing, NULL);
    int fd = must(open("names", O_RDONLY));
    hear(fd);
    hear(fd);
    reap(pid);
    must(unlink("names"));
}

static int answers(void *with) {
    int *ends = with;
    close(ends[0]);
    hear(ends[1]);
    say(ends[1], "answer");
    return 0;
}

static void socket_pair(void) {
    int ends[2];
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    pid_t pid = child_of(answers, ends);
    close(ends[1]);
    say(ends[0], "question");
    hear(ends[0]);
    hear(ends[0]);
    reap(pid);
}

/* The child closes all that it inherited at one stroke, so the parent reads the end while the child lives. */
static int closes_all(void *with) {
    (void)with;
    must(syscall(SYS_close_range, 3, ~0u, 0));
    pause();
    return 0;
}

static void closes_a_range(void) {
    int ends[2];
    must(pipe(ends));
    pid_t pid = child_of(closes_all, NULL);
    close(ends[1]);
    hear(ends[0]);
    must(kill(pid, SIGTERM));
    reap(pid);
}

static void marks_a_range(void) {
    int ends[2];
    must(pipe(ends));
    must(syscall(SYS_close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */));
    execl("/bin/true", "true", NULL);
}

/* dup2 closes what stood there: the last write end of the first pipe. */
static void dup2_over_an_open_one(void) {
    int one[2], two[2];
    must(pipe(one));
    must(pipe(two));
    must(dup2(two[1], one[1]));
    hear(one[0]);
    say(one[1], "two");
    hear(two[0]);
}

static void send_descriptor(int socket, int fd) {
    char byte = 'd', room[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    must(sendmsg(socket, &message, 0));
}

static int receive_descriptor(int socket) {
    int fd;
    char byte, room[CMSG_SPACE(sizeof fd)];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    must(recvmsg(socket, &message, 0));
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

static int writes_into_what_it_gets(void *socket) {
    int fd = receive_descriptor(*(int *)socket);
    say(fd, "through");
    return 0;
}

/* The pipe is made after the fork: the child has it from the socket alone. */
static void passes_a_descriptor(void) {
    int sockets[2], ends[2];
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
    pid_t pid = child_of(writes_into_what_it_gets, &sockets[1]);
    must(pipe(ends));
    send_descriptor(sockets[0], ends[1]);
    close(ends[1]);
    hear(ends[0]);
    hear(ends[0]);
    reap(pid);
}

static int adds(void *fd) {
    uint64_t three = 3;
    must(write(*(int *)fd, &three, sizeof three));
    return 0;
}

static void event_counter(void) {
    int fd = must(eventfd(0, 0));
    pid_t pid = child_of(adds, &fd);
    uint64_t value;
    must(read(fd, &value, sizeof value));
    reap(pid);
    exit((int)value);
}

static int stores(void *with) {
    strcpy(with, "stored");
    return 0;
}

static void memory_file(void) {
    int fd = must(memfd_create("shared", 0));
    must(ftruncate(fd, 4096));
    char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    reap(child_of(stores, memory));
    exit(strcmp(memory, "stored"));
}

static int reads_all(void *with) {
    int *ends = with;
    close(ends[1]);
    static char bytes[4096];
    long all = 0, got;
    while ((got = read(ends[0], bytes, sizeof bytes)) > 0) all += got;
    return all == 200000 ? 0 : 1;
}

/* More than the pipe holds: the writer sleeps inside its one write until all has been read. */
static void writes_more_than_fits(void) {
    int ends[2];
    must(pipe(ends));
    pid_t pid = child_of(reads_all, ends);
    static char bytes[200000];
    must(write(ends[1], bytes, sizeof bytes));
    close(ends[1]);
    exit(WEXITSTATUS(reap(pid)));
}

static int moves(void *with) {
    int *pipes = with;
    must(splice(pipes[0], NULL, pipes[3], NULL, 100, 0));
    return 0;
}

static void splices(void) {
    int pipes[4];
    must(pipe(pipes));
    must(pipe(pipes + 2));
    say(pipes[1], "inside");
    reap(child_of(moves, pipes));
    hear(pipes[2]);
}

static int sends_two(void *socket) {
    struct iovec parts[2] = {{"one", 3}, {"two!", 4}};
    struct mmsghdr messages[2] = {{{.msg_iov = &parts[0], .msg_iovlen = 1}, 0}, {{.msg_iov = &parts[1], .msg_iovlen = 1}, 0}};
    return must(sendmmsg(*(int *)socket, messages, 2, 0)) == 2 ? 0 : 1;
}

static void many_messages_at_once(void) {
    int sockets[2];
    must(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets));
    reap(child_of(sends_two, &sockets[1]));
    char one[8], two[8];
    struct iovec parts[2] = {{one, 8}, {two, 8}};
    struct mmsghdr messages[2] = {{{.msg_iov = &parts[0], .msg_iovlen = 1}, 0}, {{.msg_iov = &parts[1], .msg_iovlen = 1}, 0}};
    exit(must(recvmmsg(sockets[0], messages, 2, 0, NULL)) == 2 && messages[1].msg_len == 4 ? 0 : 1);
}

static int writes_late(void *with) {
    say(((int *)with)[1], "late");
    return 0;
}

/* A loop over a descriptor that never waits must not keep the writer from its turn. */
static void polls_without_waiting(void) {
    int ends[2];
    must(pipe2(ends, O_NONBLOCK));
    pid_t pid = child_of(writes_late, ends);
    char bytes[8];
    struct pollfd one = {.fd = ends[0], .events = POLLIN};
    while (poll(&one, 1, 0) == 0) {
    }
    while (read(ends[0], bytes, sizeof bytes) < 0) {
    }
    while (read(ends[0], bytes, sizeof bytes) < 0 && waitpid(pid, NULL, WNOHANG) == 0) {
    }
}

RUN(CASE(fifo), CASE(socket_pair), CASE(closes_a_range), CASE(marks_a_range), CASE(dup2_over_an_open_one),
    CASE(passes_a_descriptor), CASE(event_counter), CASE(memory_file), CASE(writes_more_than_fits), CASE(splices),
    CASE(many_messages_at_once), CASE(polls_without_waiting))
